// Shows /openapi.json. Text only ever becomes text nodes.

const REFERENCE = "#/components/schemas/";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A schema that holds no others, in few words: `integer`, `"1m"`. */
function words(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  return schema.format ?? schema.type ?? "any";
}

/** A schema as it looks when it is sent; `?` marks what may be left out. References are followed, each once on the way down. */
function outline(schema = {}, schemas = {}, margin = "", seen = []) {
  const inside = (one, indent = margin) => outline(one, schemas, indent, seen);
  const name = schema.$ref?.slice(REFERENCE.length);
  if (name) return seen.includes(name) ? name : outline(schemas[name], schemas, margin, [...seen, name]);
  if (schema.anyOf) return schema.anyOf.map((one) => inside(one)).join(" | ");
  if (schema.prefixItems) return `[${schema.prefixItems.map((one) => inside(one)).join(", ")}]`;
  if (schema.type === "array") return `${inside(schema.items)}[]`;
  if (!schema.properties) return words(schema);
  const rows = Object.entries(schema.properties).map(([key, value]) => {
    const mark = schema.required?.includes(key) ? "" : "?";
    return `${margin}  ${key}${mark}: ${inside(value, `${margin}  `)}\n`;
  });
  return `{\n${rows.join("")}${margin}}`;
}

function sample(title, content, schemas) {
  const [mediaType, body] = Object.entries(content ?? {})[0] ?? [];
  if (!body?.schema) return [];
  const text = outline(body.schema, schemas);
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
      element("td", { textContent: outline(schema) }),
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
