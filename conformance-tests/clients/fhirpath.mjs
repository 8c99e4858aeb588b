// Evaluates expressions with the npm package fhirpath, for a comparison with ours.
// Argument: the folder that npm has put the package into. Input: a line with a JSON array of resources,
// then a line [place of the resource, expression] for each. Output: a line for each: the items as
// [type, value], or an error.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const folder = process.argv[2];
const fhirpath = require(`${folder}/src/fhirpath.js`);
const r4 = require(`${folder}/fhir-context/r4`);

function evaluate(resource, expression) {
  const options = { resolveInternalTypes: false, traceFn: () => {} };
  const found = fhirpath.evaluate(resource, expression, {}, r4, options);
  const types = fhirpath.types(found);
  return { items: fhirpath.resolveInternalTypes(found).map((value, at) => [types[at], value]) };
}

let resources;
for await (const line of createInterface({ input: process.stdin })) {
  if (!resources) {
    resources = JSON.parse(line);
    continue;
  }
  const [place, expression] = JSON.parse(line);
  let answer;
  try {
    answer = evaluate(resources[place], expression);
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
