// Shows /openapi.json. Text only ever becomes text nodes.

const REFERENCE = "#/components/schemas/";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A schema in few words: `integer`, `RoomPart[]`, `"1m" | "5m"`. */
function words(schema = {}) {
  if (schema.$ref) return schema.$ref.slice(REFERENCE.length);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(words).join(" | ");
  if (schema.type === "array") return `${words(schema.items)}[]`;
  return schema.format ?? schema.type ?? "any";
}

/** What a schema looks like as JSON, its references followed, each once on the way down. */
function example(schema = {}, schemas, seen = []) {
  const name = schema.$ref?.slice(REFERENCE.length);
  if (name) return seen.includes(name) ? name : example(schemas[name], schemas, [...seen, name]);
  if (schema.properties) {
    const required = schema.required ?? [];
    const entries = Object.entries(schema.properties);
    return Object.fromEntries(
      entries.map(([key, value]) => [required.includes(key) ? key : `${key}?`, example(value, schemas, seen)]),
    );
  }
  const choice = schema.anyOf?.find((one) => one.$ref || one.type === "array");
  if (choice) return example(choice, schemas, seen);
  if (schema.type === "array" && schema.items) return [example(schema.items, schemas, seen)];
  return words(schema);
}

function sample(title, content, schemas) {
  const [mediaType, body] = Object.entries(content ?? {})[0] ?? [];
  if (!body?.schema) return [];
  const text = JSON.stringify(example(body.schema, schemas), null, 2);
  return [element("h3", { textContent: `${title}, ${mediaType}` }), element("pre", { textContent: text })];
}

function parameters(list) {
  if (!list.length) return [];
  const rows = list.map(({ name, in: place, required, schema }) => {
    const fallback = schema.default === undefined || schema.default === null ? "" : `, default ${schema.default}`;
    return element(
      "tr",
      {},
      element("td", { textContent: name }),
      element("td", { textContent: `${place}${required ? "" : ", optional"}${fallback}` }),
      element("td", { textContent: words(schema) }),
    );
  });
  return [element("h3", { textContent: "Parameters" }), element("table", {}, ...rows)];
}

function operation(path, method, described, schemas) {
  const [status, success] = Object.entries(described.responses)[0];
  return element(
    "details",
    { id: described.operationId },
    element(
      "summary",
      {},
      element("span", { className: "method", textContent: method.toUpperCase() }),
      element("span", { className: "path", textContent: path }),
      element("span", { className: "summary", textContent: described.summary }),
    ),
    element("p", { className: "allowed", textContent: described.description }),
    ...parameters(described.parameters),
    ...sample("Body", described.requestBody?.content, schemas),
    ...sample(`Answer ${status}`, success.content, schemas),
  );
}

function show(api) {
  document.title = api.info.title;
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({ path, method, described })),
  );
  const sections = api.tags.map(({ name }) => {
    const own = operations.filter(({ described }) => described.tags.includes(name));
    const shown = own.map(({ path, method, described }) =>
      operation(path, method, described, api.components.schemas),
    );
    return element("section", {}, element("h2", { textContent: name }), ...shown);
  });
  document.getElementById("routes").replaceChildren(...sections);
}

const answer = await fetch("/openapi.json");
show(await answer.json());
