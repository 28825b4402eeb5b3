// What is read out of a token, without trusting it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { currentToken, isExpired, keepToken, looksLikeToken, peek } from '../../backend_api/pages/static/js/token.js';

const token = (claims) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;

test('claims are read, in any script, and nonsense has none', () => {
  assert.deepEqual(peek(token({ sub: 'Zoë ✓ 名' })), { sub: 'Zoë ✓ 名' });
  for (const nonsense of ['', 'a', 'a.b.c', '..', 'h.bnVsbA.s', 'h.IjEi.s']) assert.deepEqual(peek(nonsense), {});
});

test('a token is over at its own time, and one that does not say is not', () => {
  assert.equal(isExpired(token({ exp: 100 }), 100), true);
  assert.equal(isExpired(token({ exp: 100 }), 99.9), false);
  assert.equal(isExpired(token({}), 1e12), false);
  assert.equal(isExpired('nonsense', 1e12), false);
});

test('what is pasted is checked for its shape only', () => {
  assert.equal(looksLikeToken(token({ sub: 'a' })), true);
  for (const wrong of ['', 'abc', 'a.b', 'a.b.c.d', 'a b.c.d', 'a.b.<']) assert.equal(looksLikeToken(wrong), false);
});

test('without storage a token is kept in memory', () => {
  keepToken('a.b.c');
  assert.equal(currentToken(), 'a.b.c');
  keepToken(null);
  assert.equal(currentToken(), null);
});
