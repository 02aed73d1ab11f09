import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  candidateId,
  createGroup,
  defaultFailback,
  step,
  streamPolicy,
  type CandidateId,
  type CandidateSpec,
  type GroupEffect,
  type GroupEvent,
  type GroupPolicy,
  type GroupState,
} from '../../src/failover/group.ts'
import { badnessOf, preferenceOrder } from '../../src/failover/standing.ts'
import { switchAllowedAtMs } from '../../src/failover/switch-limits.ts'
import { seededRandom, type Random } from '../../src/lib/random.ts'

/*
 * Thousands of random lives of a group. Each has its own seed; a failure prints it, and HOLDFAST_SIM_SEED runs that one
 * life alone.
 */

const SEQUENCES = 2_000
const EVENTS_PER_SEQUENCE = 50
const HISTORY_STEPS = 12

interface World {
  readonly random: Random
  readonly policy: GroupPolicy
  state: GroupState
  nowMs: number
  readonly automaticSwitchesAtMs: number[]
  /** The switch under way began because its candidate was removed: it goes on whatever the limit. */
  isForced: boolean
  /** The last events and effects, for the message of a failure. */
  readonly history: unknown[]
}

function pickOne<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random.next() * values.length)]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}

function someCandidates(random: Random, least: number): readonly CandidateSpec[] {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'].toSorted(() => random.next() - 0.5)
  return names.slice(0, least + Math.floor(random.next() * (7 - least))).map((name) => ({
    id: candidateId(name),
    priority: Math.floor(random.next() * 3),
    weight: random.next() < 0.1 ? 0 : 1,
  }))
}

function somePolicy(random: Random): GroupPolicy {
  const failback = pickOne(random, [
    { kind: 'off' },
    { kind: 'manual' },
    { ...defaultFailback, probationMs: 2_000, holdDownMs: 5_000 },
  ] as const)
  return {
    ...streamPolicy,
    selection: pickOne(random, [
      { kind: 'ordered' },
      { kind: 'ordered' },
      { kind: 'priority_weighted' },
      { kind: 'active_passive' },
    ] as const),
    switchesMax: pickOne(random, [1, 3, 10]),
    immediateAttempts: pickOne(random, [0, 1, 3]),
    automaticFailover: random.next() < 0.9,
    failback,
    onPriorityChange: pickOne(random, ['switch', 'stay'] as const),
    probe: { intervalMs: 1_000, watch: pickOne(random, ['none', 'unhealthy', 'unhealthy_and_unknown'] as const) },
  }
}

function someEvent({ random, state }: World): GroupEvent {
  const ids = state.candidates.map(({ spec }) => spec.id)
  const someId = ids.length === 0 || random.next() < 0.05 ? candidateId('stranger') : pickOne(random, ids)
  const { onAir } = state
  const roll = random.next()
  if (onAir !== null && roll < 0.3) return { kind: 'candidate_failed', id: onAir.id, epoch: onAir.epoch, reason: 'eof' }
  if (onAir !== null && roll < 0.5) return { kind: 'candidate_succeeded', id: onAir.id, epoch: onAir.epoch }
  if (roll < 0.6) return { kind: 'tick' }
  if (roll < 0.68) return { kind: 'probe_succeeded', id: someId }
  if (roll < 0.74) return { kind: 'probe_failed', id: someId }
  if (roll < 0.79) return { kind: 'switch_requested', by: 'operator' }
  if (roll < 0.81) return { kind: 'switch_requested', by: 'operator', target: someId }
  if (roll < 0.83) return { kind: 'pin_requested', id: someId, by: 'operator', ttlMs: random.next() * 20_000 }
  if (roll < 0.85) return { kind: 'unpin_requested' }
  if (roll < 0.87) return { kind: 'failures_reset', id: someId }
  if (roll < 0.9) return { kind: 'candidates_changed', candidates: someCandidates(random, 0) }
  if (roll < 0.92) return { kind: 'candidate_failed', id: someId, reason: 'status_503' }
  if (roll < 0.94) return { kind: 'candidate_succeeded', id: someId }
  if (roll < 0.95) return { kind: 'stopped' }
  return { kind: 'started' }
}

function someTimeMs(random: Random): number {
  const roll = random.next()
  if (roll < 0.5) return Math.floor(random.next() * 200)
  if (roll < 0.95) return Math.floor(random.next() * 8_000)
  return Math.floor(random.next() * 7_200_000)
}

function advance(world: World, event: GroupEvent): readonly GroupEffect[] {
  const before = world.state
  const { state, effects } = step(before, event, world.nowMs, world.policy, world.random)
  freeze(state)
  world.state = state
  world.history.push({ nowMs: world.nowMs, event, effects })
  checkOnAir(before, world, effects)
  checkMoves(before, event, world, effects)
  checkTimer(before, event, world, effects)
  checkProbes(before, world, effects)
  return effects
}

/** A step that changed the state it was given would throw. Parts that are shared are frozen already. */
function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const part of Object.values(value)) freeze(part)
}

/** Saved and read back, the state is the same and goes on the same. */
function checkJson(world: World): void {
  const copy = JSON.parse(JSON.stringify(world.state)) as GroupState
  assert.deepEqual(copy, world.state, 'the state is plain JSON')
  const event = { kind: 'switch_requested', by: 'operator' } as const
  const chance = { next: () => 0.5 }
  assert.deepEqual(
    step(copy, event, world.nowMs, world.policy, chance),
    step(world.state, event, world.nowMs, world.policy, chance),
  )
}

function effectsOf<Kind extends GroupEffect['kind']>(effects: readonly GroupEffect[], kind: Kind) {
  return effects.filter((effect): effect is Extract<GroupEffect, { kind: Kind }> => effect.kind === kind)
}

/** Exactly one on air while output is wanted and there is any candidate, and the effects say so too. */
function checkOnAir(before: GroupState, { state, nowMs }: World, effects: readonly GroupEffect[]): void {
  assert.equal(state.onAir !== null, state.wanted && state.candidates.length > 0, 'exactly one on air when wanted')
  const puts = effectsOf(effects, 'put_on_air')
  let epoch = before.epoch
  for (const put of puts) {
    assert.equal(put.epoch, epoch + 1, 'the epoch rises by one at each put_on_air')
    assert.ok(put.delayMs >= 0 && put.delayMs <= 5_000, `a wait of ${put.delayMs} ms`)
    epoch = put.epoch
  }
  assert.equal(state.epoch, epoch)
  const last = puts.at(-1)
  if (last !== undefined && state.onAir !== null) {
    assert.equal(state.onAir.id, last.id)
    assert.equal(state.onAir.startsAtMs, nowMs + last.delayMs)
  } else if (state.onAir !== null) assert.equal(state.onAir.id, before.onAir?.id)
  const kinds = effects.map(({ kind }) => kind)
  const isTaken = before.onAir !== null && state.onAir === null
  assert.equal(kinds.lastIndexOf('take_off_air') > kinds.lastIndexOf('put_on_air'), isTaken, 'taken off air, told once')
  if (state.onAir !== null) {
    assert.ok(
      state.candidates.some(({ spec }) => spec.id === state.onAir?.id),
      'the one on air is listed',
    )
  }
  if (state.pin !== null && state.onAir !== null) assert.equal(state.onAir.id, state.pin.id, 'the pin is honoured')
}

function checkMoves(before: GroupState, event: GroupEvent, world: World, effects: readonly GroupEffect[]): void {
  const { state, nowMs, policy } = world
  const knownBad = (id: CandidateId) => {
    const candidate = state.candidates.find(({ spec }) => spec.id === id)
    return candidate === undefined ? 2 : badnessOf(candidate, nowMs, policy)
  }
  for (const move of effectsOf(effects, 'failover_triggered')) {
    assert.notEqual(move.from, move.to)
    if (move.cause !== 'failover' && move.cause !== 'failback' && move.cause !== 'priority') continue
    // The attempt itself half-opens the circuit, so what counts is the state before the step.
    const target = before.candidates.find(({ spec }) => spec.id === move.to)
    const targetIsBad = target !== undefined && badnessOf(target, nowMs, policy) > 0 && knownBad(move.to) > 0
    if (!targetIsBad) continue
    const better = state.candidates.filter(
      ({ spec }) => spec.id !== move.to && spec.id !== move.from && knownBad(spec.id) === 0,
    )
    assert.deepEqual(
      better.map(({ spec }) => spec.id),
      [],
      `no switch to ${move.to}, known to be bad, while a better one exists`,
    )
    if (move.reason !== 'candidate_removed')
      assert.ok(knownBad(move.from) > 0, `${move.from} is no better than ${move.to}`)
    if (move.cause !== 'failover') assert.fail(`${move.cause} went to a bad candidate`)
  }
  checkLimits(before, world, effects)
  checkOneStep(before, event, world, effects)
}

function checkLimits(before: GroupState, world: World, effects: readonly GroupEffect[]): void {
  const { policy, nowMs } = world
  if (effectsOf(effects, 'failover_triggered').some(({ reason }) => reason === 'candidate_removed'))
    world.isForced = true
  for (const { receipt } of effectsOf(effects, 'write_receipt')) {
    assert.ok(receipt.settledAtMs >= receipt.decidedAtMs && receipt.attempts >= 1)
    const automatic = receipt.trigger === 'failover' || receipt.trigger === 'failback' || receipt.trigger === 'retry'
    if (!automatic || receipt.from === receipt.to) continue
    if (world.isForced) continue
    world.automaticSwitchesAtMs.push(nowMs)
    const recent = world.automaticSwitchesAtMs.filter((atMs) => nowMs - atMs < policy.switchWindowMs)
    assert.ok(recent.length <= policy.switchesMax, `${recent.length} switches in one window`)
  }
  if (world.state.pending === null) world.isForced = false
  if (switchAllowedAtMs(before, nowMs, policy) <= nowMs && policy.automaticFailover) return
  for (const move of effectsOf(effects, 'failover_triggered')) {
    assert.ok(
      move.cause !== 'failover' || move.reason === 'candidate_removed',
      'no failover when the window is full or automatic failover is off',
    )
  }
}

function checkOneStep(before: GroupState, event: GroupEvent, world: World, effects: readonly GroupEffect[]): void {
  if (event.kind !== 'switch_requested' || event.target !== undefined || before.onAir === null) return
  if (before.pin !== null || before.candidates.length < 2) return
  const order = preferenceOrder(before.candidates, world.policy).map(({ spec }) => spec.id)
  const next = order[(order.indexOf(before.onAir.id) + 1) % order.length]
  const manual = effectsOf(effects, 'put_on_air').filter(({ cause }) => cause === 'manual')
  assert.deepEqual(
    manual.map(({ id }) => id),
    [next],
    'one manual failover is exactly one step',
  )
}

function checkTimer(
  before: GroupState,
  event: GroupEvent,
  { state, nowMs }: World,
  effects: readonly GroupEffect[],
): void {
  const armed = effectsOf(effects, 'arm_timer').at(-1)
  if (armed !== undefined) assert.equal(armed.atMs, state.timerAtMs)
  if (state.timerAtMs !== null) {
    assert.ok(state.timerAtMs > nowMs, `a timer in the past, at ${state.timerAtMs}, now ${nowMs}`)
    if (event.kind === 'tick' || before.timerAtMs !== state.timerAtMs) assert.ok(armed !== undefined, 'timer not armed')
  }
  if (!state.wanted) assert.equal(state.timerAtMs, null)
}

function checkProbes(before: GroupState, { state }: World, effects: readonly GroupEffect[]): void {
  const probed = new Set(before.candidates.filter(({ probing }) => probing !== null).map(({ spec }) => spec.id))
  for (const effect of effects) {
    if (effect.kind === 'start_probing') {
      assert.ok(!probed.has(effect.id), `${effect.id} is probed twice`)
      probed.add(effect.id)
    }
    if (effect.kind === 'stop_probing') assert.ok(probed.delete(effect.id), `${effect.id} was not probed`)
  }
  const now = state.candidates.filter(({ probing }) => probing !== null).map(({ spec }) => spec.id)
  if (!state.wanted) assert.deepEqual(now, [], 'nobody is probed when nobody wants output')
  assert.deepEqual([...probed].toSorted(), now.toSorted(), 'effects and state agree on who is probed')
}

/** Where evidence of an older epoch, or of nobody on air, changes nothing. */
function checkStale(world: World): void {
  const { state, nowMs, policy, random } = world
  const id = state.candidates[0]?.spec.id
  if (id === undefined || state.epoch === 0) return
  const settled = step(state, { kind: 'tick' }, nowMs, policy, random).state
  for (const kind of ['candidate_failed', 'candidate_succeeded'] as const) {
    const late = step(settled, { kind, id, epoch: settled.epoch - 1, reason: 'late' }, nowMs, policy, random)
    assert.deepEqual(late, { state: settled, effects: [] }, 'evidence of an older epoch does not count')
  }
}

function liveOnce(seed: number): void {
  const random = seededRandom(seed)
  const world: World = {
    random,
    policy: somePolicy(random),
    state: createGroup(someCandidates(random, 1)),
    nowMs: Math.floor(random.next() * 1_000),
    automaticSwitchesAtMs: [],
    isForced: false,
    history: [],
  }
  try {
    live(world)
  } catch (error) {
    throw new Error(
      `after\n${world.history
        .slice(-HISTORY_STEPS)
        .map((entry) => JSON.stringify(entry))
        .join('\n')}`,
      { cause: error },
    )
  }
}

function live(world: World): void {
  const { random } = world
  advance(world, { kind: 'started' })
  for (let index = 0; index < EVENTS_PER_SEQUENCE; index += 1) {
    world.nowMs += someTimeMs(random)
    advance(world, someEvent(world))
    if (index % 12 === 0) checkStale(world)
    if (index % 25 === 6) checkJson(world)
  }
  checkComesBack(world)
}

/** Whatever has happened: when one candidate is well again and all others are dead, it is on air before long. */
function checkComesBack(world: World): void {
  if (!world.policy.automaticFailover || world.policy.immediateAttempts === 0) return
  advance(world, { kind: 'unpin_requested' })
  advance(world, { kind: 'started' })
  const ids = world.state.candidates.map(({ spec }) => spec.id)
  if (ids.length === 0) return
  const well = pickOne(world.random, ids)
  const attemptsMax = 200
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const { onAir } = world.state
    assert.ok(onAir !== null)
    world.nowMs = Math.max(world.nowMs, onAir.startsAtMs) + 20
    if (onAir.id === well) {
      advance(world, { kind: 'candidate_succeeded', id: onAir.id, epoch: onAir.epoch })
      world.nowMs += world.policy.stableMs
      advance(world, { kind: 'tick' })
      assert.equal(world.state.incident, null, 'the incident ends when a candidate stays')
      return
    }
    advance(world, { kind: 'candidate_failed', id: onAir.id, epoch: onAir.epoch, reason: 'refused' })
  }
  assert.fail(`${well} is well and was not tried in ${attemptsMax} attempts`)
}

function eachSeed(run: (seed: number) => void): void {
  const wanted = process.env['HOLDFAST_SIM_SEED']
  const seeds = wanted === undefined ? Array.from({ length: SEQUENCES }, (_, seed) => seed) : [Number(wanted)]
  for (const seed of seeds) {
    try {
      run(seed)
    } catch (error) {
      throw new Error(`seed ${seed} (HOLDFAST_SIM_SEED=${seed} runs it alone)`, { cause: error })
    }
  }
}

test('whatever happens to a group, the air has one owner, moves are justified, and the dead come back', () => {
  eachSeed(liveOnce)
})
