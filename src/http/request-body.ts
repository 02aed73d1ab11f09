import type { FastifyBodyParser, FastifyInstance } from 'fastify'
import { BodyUnreadable } from './error-body.ts'

type Parser = FastifyBodyParser<string | Buffer>

const JSON_TYPE = /^application\/(?:json|[\w.+-]+\+json)\s*(?:;|$)/i

/** No body of any route comes near it, and whoever walks through one by recursion is safe below it. */
const DEPTH_MAX = 64

/**
 * Bodies are JSON; a request without Content-Type is taken to be, as m3u-proxy does. An empty body is none, whatever its
 * type. Objects with a `__proto__` or `constructor.prototype` key are refused, and so is what is nested deeper than
 * `DEPTH_MAX`.
 */
export function acceptJsonBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  const parse: Parser = (request, body, done) => {
    if (body.length === 0) {
      done(null, undefined)
      return
    }
    const type = request.headers['content-type'] ?? ''
    if (type !== '' && !JSON_TYPE.test(type)) {
      done(otherType(), undefined)
      return
    }
    void parseJson(request, String(body), (error, value) => {
      if (error !== null) done(notJson(), undefined)
      else if (isDeeperThan(DEPTH_MAX, value)) done(tooDeep(), undefined)
      else done(null, value)
    })
  }
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parse)
  app.addContentTypeParser('*', { parseAs: 'string' }, parse)
}

function notJson(): BodyUnreadable {
  return new BodyUnreadable({ loc: ['body'], msg: 'JSON decode error', type: 'json_invalid' })
}

/** Level by level, because recursion is what a deep value is sent to exhaust. */
function isDeeperThan(depth: number, value: unknown): boolean {
  let level: unknown[] = [value]
  for (let count = 0; count <= depth; count += 1) {
    level = level.flatMap((item): unknown[] =>
      typeof item === 'object' && item !== null ? Object.values(item as Readonly<Record<string, unknown>>) : [],
    )
    if (level.length === 0) return false
  }
  return true
}

function tooDeep(): BodyUnreadable {
  const msg = `Input should be nested at most ${DEPTH_MAX} levels deep`
  return new BodyUnreadable({ loc: ['body'], msg, type: 'recursion_loop' })
}

function otherType(): BodyUnreadable {
  const msg = 'Input should be a JSON object sent as Content-Type application/json'
  return new BodyUnreadable({ loc: ['body'], msg, type: 'model_attributes_type' })
}
