import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../lab/poll.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

/** The demo in a process group of its own, so that whatever it leaves behind can be found. */
async function runDemo(args: readonly string[]): Promise<{ output: string; code: number | null; group: number }> {
  const child = spawn(process.execPath, [main, 'demo', ...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { output, code, group: child.pid ?? Number.NaN }
}

function isAnybodyLeft(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

test('the demo breaks the primary, tells the switch, keeps its viewer, and leaves no process behind', async () => {
  const { output, code, group } = await runDemo(['--seconds', '11', '--every', '7'])
  assert.equal(code, 0, output)
  assert.match(output, /Watch: +http:\/\/127\.0\.0\.1:\d+\/stream\/\w+/)
  assert.match(output, /✂ {2}PRIMARY is killed/)
  assert.match(output, /→ {2}BACKUP 1 is on air \(.*noticed after \d+ ms/)
  assert.match(output, /a viewer saw: same connection, longest pause \d+ ms, 0 packets out of place/)
  assert.match(output, /\+ {2}PRIMARY is well again/)
  assert.match(output, /over: [1-9]\d* switches, .* 0 packets out of place, 0 connections lost/)
  await until(() => !isAnybodyLeft(group), { what: 'the end of all processes of the demo' })
})

test('the demo says what its options may be and exits with a failure', async () => {
  const { output, code } = await runDemo(['--every', 'soon'])
  assert.notEqual(code, 0)
  assert.match(output, /--every takes a whole number of seconds from 2 to 86400/)
})
