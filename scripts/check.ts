import { spawn } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * `npm run check`: format, types, lint, unused code, then every test that needs nothing but Node.js, in one run of the test
 * runner (in a few processes, for speed). With `--e2e` (this is `npm test`) the end-to-end tests are part of it, every file
 * has a process of its own, and the runner's one summary comes last.
 */

interface StaticCheck {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly remedy: string
}

/** Not Prettier's own place for it, because Prettier empties that whenever it is run without a cache. */
const formatCache = ['--cache', '--cache-strategy', 'content', '--cache-location', 'node_modules/.cache/format']

const staticChecks: readonly StaticCheck[] = [
  { name: 'types', command: ['tsc', '--noEmit'], remedy: 'make the types agree' },
  {
    name: 'format',
    command: ['prettier', '--check', ...formatCache, '--log-level', 'warn', '.'],
    remedy: 'npm run format',
  },
  {
    name: 'lint',
    command: ['oxlint', '--type-aware', '--deny-warnings', '--format', 'unix'],
    remedy: 'the rules are in .oxlintrc.json',
  },
  { name: 'unused code', command: ['knip', '--no-progress'], remedy: 'remove it, or name its user in knip.json' },
]

const TESTS_WITHOUT_MEDIA = [
  'src/**/*.test.ts',
  'scripts/**/*.test.ts',
  'test/*.test.ts',
  'test/{tidy,sim,lab}/**/*.test.ts',
]
const TESTS_END_TO_END = ['test/e2e/**/*.test.ts', 'bench/**/*.test.ts']
/** Every run tries the same inputs. */
const FIXED_CHANCE = `--import=${pathToFileURL(join(import.meta.dirname, 'fixed-chance.ts')).href}`
/** Nothing in the suite may take longer than this on its own. */
const TEST_TIMEOUT_MS = 180_000
/** A test that hangs with something still open outlives its own timeout, so the run as a whole has one too. */
const RUN_TIMEOUT_MS = 60 * 60_000
/** Where Node.js keeps what it compiled: every test file is a process, and most of its start is reading the same modules. */
const COMPILE_CACHE = join(import.meta.dirname, '..', 'node_modules', '.cache', 'node-compile')
/** Most end-to-end tests wait for real time more than they work, so that one more than there are cores fills the gaps. */
const FILES_BESIDE_CORES = 1
/** More test files at once than this would disturb the tests that measure gaps. */
const CONCURRENCY_MAX = 4

interface Outcome {
  readonly succeeded: boolean
  readonly output: string
  readonly tookSeconds: string
}

async function run([command, ...args]: readonly [string, ...string[]]): Promise<Outcome> {
  const begunMs = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  const succeeded = await new Promise<boolean>((resolve) => {
    child.once('error', (error) => {
      chunks.push(Buffer.from(`${error.message}\n`))
      resolve(false)
    })
    child.once('close', (code) => resolve(code === 0))
  })
  const tookSeconds = ((performance.now() - begunMs) / 1000).toFixed(1)
  return { succeeded, output: Buffer.concat(chunks).toString(), tookSeconds }
}

/** Runs one check and says how it went; false when it failed. */
async function report({ name, command, remedy }: StaticCheck): Promise<boolean> {
  const { succeeded, output, tookSeconds } = await run(command)
  if (succeeded) console.log(`✔ ${name} (${tookSeconds} s)`)
  else console.log(`✖ ${name} (${tookSeconds} s): ${remedy}\n${output}`)
  return succeeded
}

/** All of them, two at a time; true when every one succeeded. */
async function runStaticChecks(): Promise<boolean> {
  const waiting = [...staticChecks]
  let succeeded = true
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      if (!(await report(check))) succeeded = false
    }
  }
  await Promise.all([worker(), worker()])
  return succeeded
}

/** The test runner in the foreground, so that its summary is the last thing printed; its exit code. */
async function runTests(patterns: readonly string[]): Promise<number> {
  const files = globSync([...patterns]).toSorted()
  const concurrency = Math.max(1, Math.min(availableParallelism() + FILES_BESIDE_CORES, CONCURRENCY_MAX))
  const options = [`--test-timeout=${TEST_TIMEOUT_MS}`, `--test-concurrency=${concurrency}`, '--test-reporter=spec']
  const env = { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env }
  const child = spawn(process.execPath, [FIXED_CHANCE, '--test', ...options, ...files], {
    stdio: 'inherit',
    env,
    timeout: RUN_TIMEOUT_MS,
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

/**
 * The tests that need nothing but Node.js, in a few processes instead of a process a file, which is mostly what they would
 * cost. Each part ends with a summary of its own; the exit code is the worst of them.
 */
async function runTestsInParts(patterns: readonly string[]): Promise<number> {
  // Larger files first, dealt in turn, so that the parts have about as much to do; one more than two
  // cores can run at once fills the gap when one ends early.
  const files = globSync([...patterns]).toSorted((a, b) => statSync(b).size - statSync(a).size)
  const parts = [0, 1, 2].map((part) => files.filter((_, index) => index % 3 === part))
  const options = ['--test-isolation=none', `--test-timeout=${TEST_TIMEOUT_MS}`, '--test-reporter=spec']
  const outcomes = await Promise.all(
    parts.map(async (part) => run([process.execPath, FIXED_CHANCE, '--test', ...options, ...part])),
  )
  for (const { output } of outcomes) process.stdout.write(output)
  return outcomes.every(({ succeeded }) => succeeded) ? 0 : 1
}

const withEndToEnd = process.argv.includes('--e2e')
const begunMs = performance.now()
const staticSucceeded = await runStaticChecks()
if (!staticSucceeded) console.log('A check failed (see ✖ above), so the whole will fail; the tests run nevertheless.')
const testsExitCode = withEndToEnd
  ? await runTests([...TESTS_WITHOUT_MEDIA, ...TESTS_END_TO_END])
  : await runTestsInParts(TESTS_WITHOUT_MEDIA)
if (!withEndToEnd) console.log(`check: ${((performance.now() - begunMs) / 1000).toFixed(1)} s`)
process.exitCode = staticSucceeded ? testsExitCode : 1
