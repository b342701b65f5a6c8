// check.mjs DIR...: validates every *.json file in the directories, each one FHIR R4 resource, with the npm package
// "fhir", which nobody here wrote. Resources inside Bundles and contained ones are checked one by one as well.
//
// An error fails; a code the validator does not know is a warning, since it carries no terminology. Exit status: 0 all
// valid, 1 errors, 2 nothing to check or a file that is not JSON. Values are not printed: answers hold personal data.
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'

const { Fhir } = createRequire(import.meta.url)('fhir')
const validator = new Fhir()

// What the validator reports as an error and is none: it knows value sets only in part.
const unknownCode = /not found in value set|could not be found/

/** Yields every resource in r with the path to it. */
function * resources (r, at) {
  yield { resource: r, at }
  if (r.resourceType === 'Bundle') {
    for (const [i, entry] of (r.entry ?? []).entries()) {
      if (entry.resource) yield * resources(entry.resource, `${at}.entry[${i}].resource`)
      if (entry.response?.outcome) yield * resources(entry.response.outcome, `${at}.entry[${i}].response.outcome`)
    }
  }
  for (const [i, contained] of (r.contained ?? []).entries()) yield * resources(contained, `${at}.contained[${i}]`)
}

const kinds = new Map()
let errors = 0
let warnings = 0
const files = process.argv.slice(2).flatMap(dir =>
  fs.readdirSync(dir).filter(f => f.endsWith('.json')).sort().map(f => path.join(dir, f)))
if (files.length === 0) {
  console.error('check: no *.json files: give directories of FHIR resources')
  process.exit(2)
}
for (const file of files) {
  let root
  try {
    root = JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    console.error(`${file}: not JSON`)
    process.exit(2)
  }
  for (const { resource, at } of resources(root, root.resourceType ?? '?')) {
    const kind = resource.resourceType
    if (!kind) {
      console.error(`${file}: ${at}: no resourceType`)
      errors++
      continue
    }
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    for (const m of validator.validate(resource, { errorOnUnexpected: true }).messages ?? []) {
      // The message quotes the value it is about; what stands in quotation marks is left out.
      const text = m.message.replace(/"[^"]*"/g, '"…"').replace(/'[^']*'/g, "'…'")
      if (m.severity === 'error' && !unknownCode.test(m.message)) {
        errors++
        console.error(`${file}: ${at}: ${m.location}: ${text}`)
      } else if (m.severity !== 'info') {
        warnings++
      }
    }
  }
}
for (const [kind, n] of [...kinds].sort()) console.log(`${kind}: ${n} checked`)
console.log(`${files.length} files, ${errors} errors, ${warnings} warnings`)
process.exit(errors > 0 ? 1 : 0)
