// A round through the server with fhir-kit-client: capability statement, create, read, update, patch,
// search with pages, history, transaction, delete.
// Arguments: the FHIR base, and the folder that npm has put the package into.
import assert from 'node:assert';
import { pathToFileURL } from 'node:url';

const { Client } = await import(pathToFileURL(`${process.argv[3]}/dist/index.js`));

async function main(baseUrl) {
  const client = new Client({ baseUrl });
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, '4.0.1');

  const made = await client.create({
    resourceType: 'Patient',
    body: { resourceType: 'Patient', name: [{ family: 'Kit' }], active: false },
  });
  assert.ok(made.id);
  const read = await client.read({ resourceType: 'Patient', id: made.id });
  assert.deepEqual(read, made);

  const updated = await client.update({ resourceType: 'Patient', id: made.id, body: { ...read, active: true } });
  assert.equal(updated.meta.versionId, '2');
  const patched = await client.patch({
    resourceType: 'Patient',
    id: made.id,
    jsonPatch: [{ op: 'add', path: '/gender', value: 'other' }],
  });
  assert.equal(patched.gender, 'other');
  assert.equal((await client.vread({ resourceType: 'Patient', id: made.id, version: '1' })).active, false);

  const bundle = await client.transaction({
    body: {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [1, 2, 3].map((n) => ({
        resource: { resourceType: 'Patient', name: [{ family: 'Kit', given: [`N${n}`] }] },
        request: { method: 'POST', url: 'Patient' },
      })),
    },
  });
  assert.equal(bundle.entry.length, 3);

  let page = await client.search({ resourceType: 'Patient', searchParams: { family: 'Kit', _count: 2, _total: 'accurate' } });
  assert.equal(page.total, 4);
  let seen = 0;
  while (page) {
    seen += (page.entry ?? []).length;
    page = await client.nextPage({ bundle: page });
  }
  assert.equal(seen, 4);

  const history = await client.history({ resourceType: 'Patient', id: made.id });
  assert.equal(history.total, 3);
  await client.delete({ resourceType: 'Patient', id: made.id });
  await assert.rejects(client.read({ resourceType: 'Patient', id: made.id }), (error) => error.response.status === 410);
  console.log('fhir-kit-client: well');
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
