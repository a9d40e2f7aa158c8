// Reads the cases of grammar_ajv_cases from standard input and compares: what the grammar permits is valid
// JSON that ajv accepts, and what ajv accepts, written as answers are, the grammar permits.
import { createInterface } from 'node:readline'
import Ajv from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

const schemas = { count: 0 }
const values = { permitted: 0, refused: 0 }
const wrong = []

for await (const line of createInterface({ input: process.stdin })) {
  const { schema, values: cases } = JSON.parse(line)
  const ajv = new Ajv({ strict: false, validateFormats: true })
  addFormats(ajv)
  const validate = ajv.compile(schema)
  schemas.count += 1
  for (const { text, permitted } of cases) {
    let valid = false
    try {
      valid = validate(JSON.parse(text))
    } catch (error) {
      wrong.push({ schema, text, error: String(error) })
      continue
    }
    values[permitted ? 'permitted' : 'refused'] += 1
    if (valid !== permitted) wrong.push({ schema, text, permitted, valid, errors: validate.errors })
  }
}

for (const found of wrong.slice(0, 10)) console.error(JSON.stringify(found))
console.log(`${schemas.count} schemas, ${values.permitted} values permitted, ${values.refused} refused, ${wrong.length} judged differently by ajv`)
const enough = schemas.count > 0 && values.permitted > 0 && values.refused > 0
process.exit(wrong.length === 0 && enough ? 0 : 1)
