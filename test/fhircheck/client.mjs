// client.mjs DEMO.json [--site SITE] [--story NAME] [--save DIR]: walks the path as a practice's system would, with two
// clients nobody here wrote: openid-client for private_key_jwt and fhir-kit-client for FHIR. It prints each step and ends
// with status 1 at the first that fails. With --save, every resource received is written to DIR for check.mjs.
//
// DEMO.json is what `concord demo` writes when it is ready.
import fs from 'node:fs'
import path from 'node:path'
import { createHash, randomUUID, webcrypto } from 'node:crypto'
import { parseArgs } from 'node:util'
import * as oidc from 'openid-client'
import { Client } from 'fhir-kit-client'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { site: { type: 'string', default: 'riverside-clinic' }, story: { type: 'string', default: 'ordinary' }, save: { type: 'string' } }
})
const demo = JSON.parse(fs.readFileSync(positionals[0], 'utf8'))
const actReason = 'urn:oid:2.16.840.1.113883.5.8'
let steps = 0
let saved = 0

function fail (what, error) {
  console.error(`FAILED: ${what}${error ? `: ${error.response?.status ?? error.status ?? ''} ${error.error ?? error.code ?? error.name}` : ''}`)
  const issues = error?.response?.data?.issue ?? []
  for (const i of issues) console.error(`  ${i.severity} ${i.code} ${(i.expression ?? []).join(' ')} ${i.diagnostics ?? ''}`)
  process.exit(1)
}

/** Runs one step: f returns what to say of it. */
async function step (what, f) {
  steps++
  try {
    console.log(`${steps}. ${what}: ${await f()}`)
  } catch (error) {
    fail(what, error)
  }
}

function must (condition, what) {
  if (!condition) fail(what)
}

function save (resource) {
  if (!flags.save) return resource
  fs.mkdirSync(flags.save, { recursive: true })
  fs.writeFileSync(path.join(flags.save, `client-${String(++saved).padStart(3, '0')}-${resource.resourceType}.json`), JSON.stringify(resource))
  return resource
}

/** Gets a token as the registered client and returns a FHIR client that carries it. */
async function signIn (id, purpose, user) {
  const registered = demo.clients.find(c => c.client_id === id)
  must(registered, `client ${id} stands in the demo file`)
  const { kid, alg, use, key_ops: ops, ...jwk } = JSON.parse(fs.readFileSync(registered.key_file, 'utf8'))
  const algorithm = jwk.kty === 'EC' ? { name: 'ECDSA', namedCurve: jwk.crv } : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' }
  const key = await webcrypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
  const authentication = oidc.PrivateKeyJwt({ key, kid }, {
    [oidc.modifyAssertion]: (header, payload) => {
      header.typ = 'JWT'
      payload.aud = demo.token_url // SMART Backend Services: the token endpoint's URL
      payload.extensions = {
        'hl7-b2b': {
          version: '1',
          organization_id: registered.organization,
          purpose_of_use: [`${actReason}#${purpose}`],
          ...user
        }
      }
    }
  })
  const configuration = new oidc.Configuration({ issuer: demo.base_url, token_endpoint: demo.token_url }, id, undefined, authentication)
  if (demo.base_url.startsWith('http://')) oidc.allowInsecureRequests(configuration)
  const granted = await oidc.clientCredentialsGrant(configuration, { scope: registered.scopes.join(' ') })
  must(granted.access_token && granted.expires_in > 0, 'an access token with a lifetime')
  return { fhir: new Client({ baseUrl: demo.fhir_url, bearerToken: granted.access_token }), token: granted }
}

const person = demo.people.find(p => p.story === flags.story)
must(person, `a person of the story ${flags.story} in the demo file`)
const local = person.identifiers[0]
let feed, emr, patient, officer, patientID, entry

await step('capabilities, without a token', async () => {
  const statement = save(await new Client({ baseUrl: demo.fhir_url }).capabilityStatement())
  must(statement.resourceType === 'CapabilityStatement' && statement.fhirVersion === '4.0.1', 'a CapabilityStatement of FHIR R4')
  return statement.rest[0].resource.map(r => r.type).join(' ')
})
await step('SMART configuration', async () => {
  const answer = await fetch(`${demo.fhir_url}/.well-known/smart-configuration`)
  const found = await answer.json()
  must(found.token_endpoint === demo.token_url, 'the token endpoint of the demo file')
  must(found.token_endpoint_auth_methods_supported.includes('private_key_jwt'), 'private_key_jwt')
  return found.token_endpoint_auth_signing_alg_values_supported.join(' ')
})
await step('token for the feed (openid-client, private_key_jwt)', async () => {
  const s = await signIn(`${flags.site}-feed`, 'HOPERAT')
  feed = s.fhir
  return `${s.token.token_type}, ${s.token.expires_in} s, ${s.token.scope}`
})
await step('register a patient (conditional update, ITI-104)', async () => {
  const identifier = { system: local.system, value: `client-mjs-${randomUUID()}` }
  const body = {
    resourceType: 'Patient',
    identifier: [identifier],
    active: true,
    name: [{ use: 'official', family: 'Quillfeather', given: ['Tamsin'] }],
    gender: 'female',
    birthDate: '1979-05-14'
  }
  const searchParams = { identifier: `${identifier.system}|${identifier.value}` }
  const made = await feed.update({ resourceType: 'Patient', searchParams, body })
  const { response } = Client.httpFor(made)
  must(response.status === 201, 'status 201 for a first registration')
  patientID = response.headers.get('location')?.match(/Patient\/([^/]+)/)?.[1] ?? made.id
  must(patientID, 'an id for the patient')
  const again = Client.httpFor(await feed.update({ resourceType: 'Patient', searchParams, body: { ...body, gender: 'unknown' } }))
  must(again.response.status === 200, 'status 200 for a revision')
  return 'created, then revised'
})
await step('read it', async () => {
  const read = save(await feed.read({ resourceType: 'Patient', id: patientID }))
  must(read.gender === 'unknown' && read.name[0].family === 'Quillfeather', 'what was registered last')
  return `version ${read.meta?.versionId}`
})
await step('token for the practice', async () => {
  const s = await signIn(`${flags.site}-emr`, 'TREAT', { subject_id: 'dr-bloom', subject_name: 'Dr. Avery Bloom', subject_role: 'physician' })
  emr = s.fhir
  return s.token.scope
})
await step(`documents of the person of the story "${flags.story}" (ITI-67, form POST)`, async () => {
  const own = person.identifiers.find(i => i.system === local.system)
  const found = save(await emr.search({
    resourceType: 'DocumentReference',
    searchParams: { 'patient.identifier': `${own.system}|${own.value}`, status: 'current', _count: '20' },
    options: { postSearch: true }
  }))
  must(found.resourceType === 'Bundle' && found.type === 'searchset', 'a searchset')
  const documents = (found.entry ?? []).filter(e => e.search?.mode !== 'outcome')
  must(documents.length > 0, 'at least one document')
  entry = documents.find(e => e.resource.content[0].attachment.url?.includes('/Binary/') && e.resource.content[0].attachment.hash) ?? documents[0]
  return `${documents.length} on the first page`
})
await step('the bytes of one (ITI-68), checked against its hash', async () => {
  const { attachment } = entry.resource.content[0]
  const { headers } = Client.httpFor(await emr.read({ resourceType: 'DocumentReference', id: entry.resource.id })).request
  const answer = await fetch(attachment.url, { headers: { authorization: headers.get('authorization'), accept: attachment.contentType } })
  must(answer.status === 200, `status 200, not ${answer.status}`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (attachment.hash) must(createHash('sha1').update(bytes).digest('base64') === attachment.hash, 'the hash of the reference')
  if (attachment.size !== undefined) must(bytes.length === attachment.size, 'the size of the reference')
  return `${bytes.length} bytes of ${answer.headers.get('content-type')}`
})
/** Returns a reference to a made-up document of the new patient, as a site publishes it. */
function reference () {
  return {
    resourceType: 'DocumentReference',
    status: 'current',
    masterIdentifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${randomUUID()}` },
    subject: { reference: `Patient/${patientID}` },
    type: { coding: [{ system: 'http://loinc.org', code: '34133-9', display: 'Summary of episode note' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '11503-0', display: 'Medical records' }] }],
    date: new Date().toISOString(),
    securityLabel: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'N' }] }],
    content: [{
      attachment: { contentType: 'text/plain', url: `Binary/${randomUUID()}`, size: 5, hash: createHash('sha1').update('hello').digest('base64') },
      format: { system: 'http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode', code: 'urn:ihe:iti:xds:2017:mimeTypeSufficient' }
    }]
  }
}
await step('publish a reference (a pointer with a url)', async () => {
  const sent = save(await feed.create({ resourceType: 'DocumentReference', body: reference() }))
  must(Client.httpFor(sent).response.status === 201, 'status 201')
  return 'created'
})
await step('publish two with their submission set (ITI-65), and read the set', async () => {
  const post = (url, resource) => ({ fullUrl: `urn:uuid:${randomUUID()}`, resource, request: { method: 'POST', url } })
  const documents = [post('DocumentReference', reference()), post('DocumentReference', reference())]
  const set = post('List', {
    resourceType: 'List',
    status: 'current',
    mode: 'working',
    date: new Date().toISOString(),
    extension: [{ url: 'https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId', valueIdentifier: { value: 'urn:oid:1.2.3' } }],
    code: { coding: [{ system: 'https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes', code: 'submissionset' }] },
    subject: { reference: `Patient/${patientID}` },
    entry: documents.map(d => ({ item: { reference: d.fullUrl } }))
  })
  const answer = save(await feed.transaction({
    body: {
      resourceType: 'Bundle',
      meta: { profile: ['https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle'] },
      type: 'transaction',
      entry: [set, ...documents]
    }
  }))
  must(answer.type === 'transaction-response' && answer.entry.length === 3, 'one response an entry')
  must(answer.entry.every(e => e.response.status.startsWith('201')), 'status 201 for each')
  const id = answer.entry[0].response.location.match(/List\/([^/]+)/)[1]
  const list = save(await feed.read({ resourceType: 'List', id }))
  must(list.entry.length === 2, 'two documents in the set')
  return 'created and read'
})
await step('cross-reference (ITI-83)', async () => {
  const own = person.identifiers.find(i => i.system === local.system)
  const answer = save(await emr.request(`Patient/$ihe-pix?${new URLSearchParams({ sourceIdentifier: `${own.system}|${own.value}` })}`))
  must(answer.resourceType === 'Parameters', 'Parameters')
  return `${answer.parameter?.length ?? 0} parameters`
})
await step('match by demographics (ITI-119)', async () => {
  const answer = save(await feed.operation({
    resourceType: 'Patient',
    name: '$match',
    input: {
      resourceType: 'Parameters',
      parameter: [
        { name: 'resource', resource: { resourceType: 'Patient', name: [{ given: ['Tamsin'], family: 'Quillfeather' }], birthDate: '1979-05-14' } },
        { name: 'count', valueInteger: 5 }
      ]
    }
  }))
  must(answer.resourceType === 'Bundle', 'a Bundle')
  return `${answer.entry?.length ?? 0} entries`
})
await step('the directory', async () => {
  const organizations = save(await emr.search({ resourceType: 'Organization', searchParams: { active: 'true' } }))
  const endpoints = save(await emr.search({ resourceType: 'Endpoint' }))
  must(organizations.entry.length > 1 && endpoints.entry.length > 1, 'organisations and endpoints')
  return `${organizations.entry.length} organisations and sites, ${endpoints.entry.length} endpoints`
})
await step("token for the new patient's own app", async () => {
  const s = await signIn('patient-app', 'PATRQT', { subject_id: `Patient/${patientID}` })
  patient = s.fhir
  return s.token.scope
})
await step('the patient files a consent (PCF)', async () => {
  const consent = {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${patientID}` },
    dateTime: new Date().toISOString(),
    performer: [{ reference: `Patient/${patientID}` }],
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
    provision: { type: 'deny' }
  }
  const filed = save(await patient.create({ resourceType: 'Consent', body: consent }))
  must(Client.httpFor(filed).response.status === 201, 'status 201')
  return 'created'
})
await step('the patient reads who did what', async () => {
  const found = save(await patient.search({ resourceType: 'AuditEvent', searchParams: { _count: '20' } }))
  const kinds = found.entry.map(e => e.resource.subtype.at(-1).code)
  must(kinds.includes('patient.registered') && kinds.includes('consent.changed'), 'the registration and the consent')
  return kinds.join(' ')
})
await step('token for the privacy officer', async () => {
  const s = await signIn('privacy-desk', 'HCOMPL', { subject_id: 'p.stone', subject_name: 'Priya Stone', subject_role: 'privacy-officer' })
  officer = s.fhir
  return s.token.scope
})
await step('what was done is on record (ITI-81)', async () => {
  const day = new Date().toISOString().slice(0, 10)
  const found = save(await officer.search({ resourceType: 'AuditEvent', searchParams: { date: `ge${day}`, _count: '20' } }))
  must((found.entry ?? []).some(e => e.resource.resourceType === 'AuditEvent'), 'at least one AuditEvent')
  return `${found.entry.length} events on the first page`
})
await step('without a token nothing', async () => {
  const answer = await fetch(`${demo.fhir_url}/Patient/${patientID}`)
  must(answer.status === 401, `status 401, not ${answer.status}`)
  save(await answer.json())
  return '401'
})
console.log(`${steps} steps as expected`)
