import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generatedPages, renderPage } from '../scripts/pages.ts'
import { EVENT_TYPES } from '../src/events/event.ts'
import { errorCodes } from '../src/lib/errors.ts'
import { bannedFindings } from './tidy/banned.ts'
import { firstColumn, linkFindings, missingNames, placeFindings, scriptFindings } from './tidy/documents.ts'
import { layerFindings } from './tidy/layers.ts'
import { codeFiles, pages, readText, textFiles, tree } from './tidy/repository.ts'
import { sizeFindings } from './tidy/sizes.ts'
import { describeFindings } from './tidy/source-file.ts'
import type { Finding } from './tidy/source-file.ts'

/** The house style as a test. What each rule catches is tested with planted code in test/tidy/rules.test.ts. */

interface PackageFile {
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
}

const files = codeFiles()
const packageFile = JSON.parse(readText('package.json')) as PackageFile

function assertTidy(findings: readonly Finding[]): void {
  assert.ok(findings.length === 0, `\n${describeFindings(findings)}`)
}

/** The first line in which a page is not what it should be. */
function firstDifference(actual: string, expected: string): string | undefined {
  if (actual === expected) return undefined
  const lines = expected.split('\n')
  const found = actual.split('\n')
  const at = lines.findIndex((line, index) => line !== found[index])
  return `line ${at + 1} is ${JSON.stringify(found[at])}\nand should be ${JSON.stringify(lines[at])}`
}

function page(path: string) {
  return { path, text: tree.exists(path) ? readText(path) : '' }
}

test('every import runs in the direction that the house allows', () => {
  assert.ok(files.length > 20, 'the scanner found no files')
  assertTidy(files.flatMap(layerFindings))
})

test('files and functions stay small enough to be read at once', () => {
  assertTidy(files.flatMap(sizeFindings))
})

test('nothing is used that the house style replaces', () => {
  assertTidy(files.flatMap(bannedFindings))
})

for (const path of Object.keys(generatedPages)) {
  test(`${path} says what the code says`, async () => {
    const difference = firstDifference(page(path).text, await renderPage(path))
    assert.ok(difference === undefined, `${path} is behind the code; run: npm run docs\n${difference}`)
  })
}

test('docs/ERRORS.md lists exactly the error codes', () => {
  const rows = [...page('docs/ERRORS.md').text.matchAll(/^\| `(\w+)`/gm)].map((match) => match[1] ?? '')
  assert.deepEqual(rows.toSorted(), errorCodes.toSorted())
})

test('docs/EVENTS.md describes every event type', () => {
  assertTidy(missingNames(page('docs/EVENTS.md'), EVENT_TYPES))
})

test('docs/DEPENDENCIES.md gives a reason for exactly the runtime dependencies', () => {
  const described = firstColumn(page('docs/DEPENDENCIES.md'), 'Runtime')
  assert.deepEqual(described.toSorted(), Object.keys(packageFile.dependencies).toSorted())
})

test('every relative link in a page leads somewhere', () => {
  assertTidy(pages().flatMap((each) => linkFindings(each, tree)))
})

test('every npm script that a page names exists', () => {
  assertTidy(pages().flatMap((each) => scriptFindings(each, Object.keys(packageFile.scripts))))
})

test('no file names a path of one machine', () => {
  assertTidy(textFiles().flatMap(placeFindings))
})

test('the lock file names no registry, so that it installs from whichever is configured', () => {
  assert.doesNotMatch(readText('package-lock.json'), /"resolved": "https?:/)
})
