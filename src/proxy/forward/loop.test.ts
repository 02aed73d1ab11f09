import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isGoingInCircles } from './loop.ts'

const times = (count: number, hop: string) => Array.from({ length: count }, () => hop).join(', ')

test('a request that was here eight times goes in a circle, a row of a few gateways of one name does not', () => {
  assert.ok(!isGoingInCircles([], 'holdfast'))
  assert.ok(!isGoingInCircles(['Via', times(7, '1.1 holdfast')], 'holdfast'))
  assert.ok(isGoingInCircles(['Via', times(8, '1.1 holdfast')], 'holdfast'))
  const spread = Array.from({ length: 8 }, () => ['vIA', '2 other, 2.0\tholdfast (a comment)']).flat()
  assert.ok(isGoingInCircles(['Host', 'a', ...spread], 'holdfast'))
})

test('other names, and the name elsewhere, count for nothing', () => {
  assert.ok(!isGoingInCircles(['Via', times(20, '1.1 holdfast-eu'), 'Xia', times(20, '1.1 holdfast')], 'holdfast'))
  assert.ok(!isGoingInCircles(['Via', times(20, 'holdfast')], 'holdfast'))
})
