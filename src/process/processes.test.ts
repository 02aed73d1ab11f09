import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { until } from '../../test/lab/poll.ts'
import { openProcessRoom } from '../../test/lab/process-room.ts'
import { processIdentity } from './process-identity.ts'
import { ProcessUnavailable } from './process-spec.ts'
import type { ProcessSpec } from './process-spec.ts'
import { Processes } from './processes.ts'
import { runProcess } from './run-process.ts'

const PARENT = new URL('../../test/lab/process-parent-child.ts', import.meta.url)

/** A script in place of a program. */
function script(text: string, more: Partial<ProcessSpec> = {}): ProcessSpec {
  return { kind: 'source', program: process.execPath, args: ['-e', text], ...more }
}

/** Ends a run that hangs; a start takes its time on a busy machine. */
const RUN_LIMIT_MS = 60_000
const SLEEPS = 'setInterval(() => {}, 1000)'

test('arguments arrive as they are, and never see a shell', async () => {
  await using room = openProcessRoom()
  const args = ['$(touch x); `id` | cat', '"quoted" \'twice\'', '*', '']
  const spec = script('console.log(JSON.stringify(process.argv.slice(1)))')
  const run = { ...spec, args: [...spec.args, '--', ...args], runLimitMs: RUN_LIMIT_MS, outputBytesMax: 10_000 }
  const { exit, output } = await runProcess(room.processes, run)
  assert.equal(exit.code, 0)
  assert.deepEqual(JSON.parse(output.toString()), args)
})

test('its end is told once, with code and the end of what it said, without credentials', async () => {
  await using room = openProcessRoom()
  const text = `
    for (let i = 0; i < 100; i++) console.error('line ' + i)
    console.error('rtsp://user:word@host/x: refused, cookie abc123')
    process.exitCode = 7`
  const child = room.processes.start(script(text, { secrets: ['abc123'] }))
  const exit = await child.exited
  assert.deepEqual([exit.reason, exit.code, exit.signal, exit.stderrTail.length], ['exited', 7, null, 40])
  assert.equal(exit.stderrTail.at(-1), 'rtsp://***:***@host/x: refused, cookie ***')
  assert.equal(await child.stop(), exit)
  assert.equal(room.processes.running(), 0)
  assert.deepEqual(readdirSync(room.ledger), [])
})

test('what does not end when it is asked to is killed', async () => {
  const clock = createSimulatedClock()
  await using room = openProcessRoom({ clock })
  const text = `process.on('SIGTERM', () => console.error('no')); console.error('ready'); ${SLEEPS}`
  const child = room.processes.start(script(text, { stopLimitMs: 5_000 }))
  await until(() => child.stderrTail.includes('ready'), { what: 'the start' })
  const stopped = child.stop()
  await until(() => child.stderrTail.includes('no'), { what: 'the refusal' })
  await clock.advance(4_999)
  assert.equal(child.isRunning, true)
  await clock.advance(1)
  const exit = await stopped
  assert.deepEqual([exit.reason, exit.signal], ['stopped', 'SIGKILL'])
})

test('a start that takes too long is ended, one that was told of is not', async () => {
  const clock = createSimulatedClock()
  await using room = openProcessRoom({ clock })
  const late = room.processes.start(script(SLEEPS, { startLimitMs: 3_000 }))
  const quick = room.processes.start(script(SLEEPS, { startLimitMs: 3_000 }))
  quick.started()
  await clock.advance(3_000)
  assert.equal((await late.exited).reason, 'start_timeout')
  assert.equal(quick.isRunning, true)
})

test('no more run of a kind than may, and the others do not count', async () => {
  await using room = openProcessRoom({ limits: { source: 1 } })
  const first = room.processes.start(script(SLEEPS))
  assert.throws(
    () => room.processes.start(script(SLEEPS)),
    (error) => error instanceof ProcessUnavailable && error.reason === 'limit_reached',
  )
  room.processes.start(script(SLEEPS, { kind: 'broadcast' }))
  await first.stop()
  assert.equal(room.processes.hasRoom('source'), true)
  assert.equal(room.processes.running(), 1)
})

test('a program that is not there is told by name', async () => {
  await using room = openProcessRoom()
  assert.throws(
    () => room.processes.start({ kind: 'source', program: 'no-such-program', args: [] }),
    (error) => error instanceof ProcessUnavailable && /no-such-program is not installed/.test(error.message),
  )
  assert.equal(room.processes.isInstalled('no-such-program'), false)
})

test('it gets input, output and a descriptor more', async () => {
  await using room = openProcessRoom()
  const text = `process.stdin.pipe(process.stdout); require('node:fs').writeSync(3, 'progress=end')`
  const child = room.processes.start(script(text, { stdin: 'pipe', extraPipes: 1 }))
  const heard = { output: '', extra: '' }
  child.stdout?.on('data', (bytes: Buffer) => (heard.output += bytes.toString()))
  child.extraPipe(0)?.on('data', (bytes: Buffer) => (heard.extra += bytes.toString()))
  child.stdin?.end('through')
  assert.equal((await child.exited).code, 0)
  assert.deepEqual(heard, { output: 'through', extra: 'progress=end' })
})

test('output beyond its limit ends a run', async () => {
  await using room = openProcessRoom()
  const run = { ...script(`process.stdout.write(Buffer.alloc(1e6)); ${SLEEPS}`), runLimitMs: RUN_LIMIT_MS }
  const { isOutputTooLarge, output } = await runProcess(room.processes, { ...run, outputBytesMax: 1_000 })
  assert.equal(isOutputTooLarge, true)
  assert.ok(output.length <= 1_000)
})

test('the secrets of the gateway are not in the environment of a child', async () => {
  await using room = openProcessRoom()
  process.env['API_TOKEN'] = 'not for children'
  const run = {
    ...script('console.log(JSON.stringify(process.env))'),
    runLimitMs: RUN_LIMIT_MS,
    outputBytesMax: 100_000,
  }
  const { output } = await runProcess(room.processes, run)
  delete process.env['API_TOKEN']
  assert.ok(output.includes('"PATH"'))
  assert.ok(!output.includes('API_TOKEN'))
})

test('what a process started itself goes with it', async () => {
  await using room = openProcessRoom()
  const text = `console.log(require('node:child_process').spawn('sleep', ['600']).pid); ${SLEEPS}`
  const child = room.processes.start(script(text))
  assert.ok(child.stdout !== undefined)
  const [bytes] = (await once(child.stdout, 'data')) as [Buffer]
  const grandchild = Number(bytes.toString())
  assert.notEqual(processIdentity(grandchild), undefined)
  child.kill()
  await child.exited
  await until(() => processIdentity(grandchild) === undefined, { what: 'the end of the grandchild' })
})

/** Starts a parent, kills it as the kernel would for want of memory, and gives the number of what it had started. */
async function killedParent(directory: string, endsWithParent: boolean): Promise<number> {
  const parent = fork(PARENT, [directory, String(endsWithParent), 'sleep', '600'])
  const [pid] = (await once(parent, 'message')) as [number]
  assert.notEqual(processIdentity(pid), undefined)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  return pid
}

test('after kill -9 of the parent the kernel ends its children', async (context) => {
  await using room = openProcessRoom()
  if (!room.processes.endsWithParent) {
    context.skip('this system has no setpriv with --pdeathsig')
    return
  }
  const pid = await killedParent(room.ledger, true)
  await until(() => processIdentity(pid) === undefined, { what: 'the end of the child' })
})

test('without that, the next start ends them', async () => {
  await using room = openProcessRoom()
  const pid = await killedParent(room.ledger, false)
  assert.notEqual(processIdentity(pid), undefined)
  const warnings: unknown[] = []
  const log = { ...silentLog, warn: (event: string, _: string, fields?: object) => void warnings.push([event, fields]) }
  await using _next = new Processes({ directory: room.ledger, clock: systemClock, log })
  await until(() => processIdentity(pid) === undefined, { what: 'the end of the child' })
  assert.deepEqual(warnings, [['process_left_over', { pid, program: 'sleep' }]])
  assert.deepEqual(readdirSync(room.ledger), [])
})

test('a number that another process has since, and what a living gateway runs, are left alone', async () => {
  await using room = openProcessRoom()
  const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  const path = join(room.ledger, `${stranger.pid}.json`)
  const identity = processIdentity(stranger.pid ?? 0)
  const gone = { pid: 4_000_000, identity: 'gone' }
  writeFileSync(path, JSON.stringify({ pid: stranger.pid, identity: 'boot 1', program: 'sleep', gateway: gone }))
  writeFileSync(join(room.ledger, '1.json'), '{"pid":')
  const ours = room.processes.start(script(SLEEPS))
  await using _next = new Processes({ directory: room.ledger, clock: systemClock, log: silentLog })
  assert.equal(processIdentity(stranger.pid ?? 0), identity)
  assert.equal(ours.isRunning, true)
  assert.deepEqual(readdirSync(room.ledger), [`${ours.pid}.json`])
  assert.match(readFileSync(join(room.ledger, `${ours.pid}.json`), 'utf8'), /"program":/)
  stranger.kill('SIGKILL')
})
