import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loggedEvents } from './log-page.ts'

test('log calls are found with their level and message, whatever the message is made of', () => {
  const texts = {
    'src/b.ts': "this.#options.log.warn('second_event', `Source ${a.index} of ${b ?? 'none'} failed`, { a })",
    'src/a.ts': "log.info(\n  'first_event',\n  'It\\'s well',\n)\nlog.debug('first_event', 'Again')",
  }
  assert.deepEqual(loggedEvents(texts), [
    { name: 'first_event', level: 'INFO', message: "It\\'s well", path: 'src/a.ts' },
    { name: 'first_event', level: 'DEBUG', message: 'Again', path: 'src/a.ts' },
    { name: 'second_event', level: 'WARNING', message: 'Source … of … failed', path: 'src/b.ts' },
  ])
})

test('what only looks like a log call is left out', () => {
  assert.deepEqual(loggedEvents({ 'src/a.ts': "blog.info('x', 'y'); log.info(name, 'y'); log.trace('x', 'y')" }), [])
})
