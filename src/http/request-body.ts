import type { FastifyBodyParser, FastifyInstance } from 'fastify'
import { BodyUnreadable } from './error-body.ts'

type Parser = FastifyBodyParser<string | Buffer>

const JSON_TYPE = /^application\/(?:json|[\w.+-]+\+json)\s*(?:;|$)/i

/**
 * Bodies are JSON; a request without Content-Type is taken to be, as m3u-proxy does. An empty body is none, whatever its
 * type. Objects with a `__proto__` or `constructor.prototype` key are refused.
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
      done(error === null ? null : notJson(), value)
    })
  }
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parse)
  app.addContentTypeParser('*', { parseAs: 'string' }, parse)
}

function notJson(): BodyUnreadable {
  return new BodyUnreadable({ loc: ['body'], msg: 'JSON decode error', type: 'json_invalid' })
}

function otherType(): BodyUnreadable {
  const msg = 'Input should be a JSON object sent as Content-Type application/json'
  return new BodyUnreadable({ loc: ['body'], msg, type: 'model_attributes_type' })
}
