/** Asking somebody who may never answer, or answer something else. Knows no address and keeps nothing. */

/** What was refused of a batch. Throws where the answer is not the API's, as a hotel's sign-in page is not. */
export async function rejections(response) {
  const { data } = await response.json();
  if (!Number.isInteger(data.accepted)) throw new TypeError('not an answer to a batch');
  return data.rejected;
}

/** What `act` gives; after `ms` its signal is aborted, and that is an error, whatever it does about it. */
export async function within(ms, act) {
  const control = new AbortController();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      control.abort();
      reject(new Error('no answer'));
    }, ms);
    timer.unref?.();
  });
  return Promise.race([act(control.signal), late]).finally(() => clearTimeout(timer));
}
