/**
 * Messages that two parsers on one path have been known to read differently, from the published research on request
 * smuggling (CL.TE, TE.CL, TE.TE, CL.0, chunk extensions, line endings, hidden fields) and the examples of RFC 9112.
 */
interface CorpusCase {
  readonly name: string
  readonly text: string
  /** Refused outright; the others are unambiguous and are read as whole messages. */
  readonly isRefused: boolean
}

const line = 'POST /first HTTP/1.1\r\nHost: a\r\n'
const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n'
const chunks = '3\r\nabc\r\n0\r\n\r\n'

function refused(name: string, text: string): CorpusCase {
  return { name, text, isRefused: true }
}

function read(name: string, text: string): CorpusCase {
  return { name, text, isRefused: false }
}

const codings: readonly (readonly [string, string])[] = [
  ['xchunked', 'Transfer-Encoding: xchunked'],
  ['chunked behind a vertical tab', 'Transfer-Encoding: \x0bchunked'],
  ['chunked behind a form feed', 'Transfer-Encoding: \x0cchunked'],
  ['a space before the colon', 'Transfer-Encoding : chunked'],
  ['a tab before the colon', 'Transfer-Encoding\t: chunked'],
  ['two fields, the second unknown', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: x'],
  ['two fields, the first unknown', 'Transfer-Encoding: x\r\nTransfer-Encoding: chunked'],
  ['a field hidden behind a bare LF', 'X: y\nTransfer-Encoding: chunked'],
  ['a field hidden behind a bare CR', 'X: y\rTransfer-Encoding: chunked'],
  ['a folded value', 'Transfer-Encoding:\r\n chunked'],
  ['a folded value of another field', 'X: y\r\n Transfer-Encoding: chunked'],
  ['a field that begins with a space', ' Transfer-Encoding: chunked'],
  ['a quoted value', 'Transfer-Encoding: "chunked"'],
  ['a quoted value in single quotes', "Transfer-Encoding: 'chunked'"],
  ['a NUL behind the value', 'Transfer-Encoding: chunked\0'],
  ['a NUL in the name', 'Transfer\0-Encoding: chunked'],
  ['identity', 'Transfer-Encoding: identity'],
  ['chunked, identity', 'Transfer-Encoding: chunked, identity'],
  ['identity, chunked', 'Transfer-Encoding: identity, chunked'],
  ['a trailing comma', 'Transfer-Encoding: chunked,'],
  ['a leading comma', 'Transfer-Encoding: ,chunked'],
  ['a parameter', 'Transfer-Encoding: chunked;q=1'],
  ['a tab behind it', 'Transfer-Encoding: chunked\t'],
  ['a no-break space', 'Transfer-Encoding: \xa0chunked'],
]

const lengths: readonly (readonly [string, string])[] = [
  ['twice, different', 'Content-Length: 3\r\nContent-Length: 35'],
  ['twice, equal', 'Content-Length: 3\r\nContent-Length: 3'],
  ['a list', 'Content-Length: 3, 35'],
  ['a sign', 'Content-Length: +3'],
  ['negative', 'Content-Length: -1'],
  ['hexadecimal', 'Content-Length: 0x3'],
  ['an exponent', 'Content-Length: 3e0'],
  ['a fraction', 'Content-Length: 3.0'],
  ['an underscore', 'Content-Length: 3_5'],
  ['a blank within', 'Content-Length: 3 5'],
  ['quoted', 'Content-Length: "3"'],
  ['empty', 'Content-Length:'],
  ['beyond 64 bits', 'Content-Length: 18446744073709551619'],
  ['digits beyond ASCII', 'Content-Length: \xb3'],
  ['a space before the colon', 'Content-Length : 3'],
  ['folded', 'Content-Length:\r\n 3'],
  ['behind a bare LF', 'X: y\nContent-Length: 3'],
]

export const requestCorpus: readonly CorpusCase[] = [
  refused('CL.TE', `${line}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`),
  refused('TE.CL', `${line}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n22\r\n${hidden}\r\n0\r\n\r\n`),
  refused('CL.TE with equal lengths', `${line}Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`),
  ...codings.map(([name, field]) => refused(`TE: ${name}`, `${line}${field}\r\n\r\n${chunks}`)),
  ...codings.map(([name, field]) =>
    refused(`TE.TE: ${name}, beside a length`, `${line}Content-Length: 4\r\n${field}\r\n\r\n${chunks}`),
  ),
  ...lengths.map(([name, field]) => refused(`CL: ${name}`, `${line}${field}\r\n\r\nabc${hidden}`)),
  refused('TE on HTTP/1.0', `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n${chunks}`),
  refused('LF only', `POST / HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc`),
  refused('the head ended by a bare LF', `${line}Content-Length: 3\r\n\nabc`),
  refused('a line without a colon', `${line}garbage\r\nContent-Length: 3\r\n\r\nabc`),
  refused('HTTP/0.9', 'GET /\r\n'),
  refused('two Hosts', `${line}Host: b\r\n\r\n`),
  refused('a target with a space', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('a request in the version', 'GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n'),
  ...['3 ', ' 3', '0x3', '+3', '3\x0b', '3\0', '3,', '3;a\n', '3\r', '3; a', '3;', '-3', 'FFFFFFFFFFFFFFFF3'].map(
    (size) =>
      refused(
        `a chunk size ${JSON.stringify(size)}`,
        `${line}Transfer-Encoding: chunked\r\n\r\n${size}\r\nabc\r\n0\r\n\r\n`,
      ),
  ),
  refused('a chunk that ends with a bare LF', `${line}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n`),
  refused('a chunk that ends with other bytes', `${line}Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n`),
  refused('a bare LF in an extension', `${line}Transfer-Encoding: chunked\r\n\r\n3;\nx\r\nabc\r\n0\r\n\r\n`),
  refused('the last chunk ended by bare LFs', `${line}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\n\n`),
  read('a length', `${line}Content-Length: 3\r\n\r\nabc`),
  read('a length with zeros ahead', `${line}Content-Length: 003\r\n\r\nabc`),
  read('a request within a body', `${line}Content-Length: ${hidden.length}\r\n\r\n${hidden}`),
  read('chunks', `${line}Transfer-Encoding: chunked\r\n\r\n${chunks}`),
  read('chunks in capitals', `${line}TRANSFER-ENCODING: CHUNKED\r\n\r\n00A\r\n0123456789\r\n0\r\n\r\n`),
  read('chunks with extensions', `${line}Transfer-Encoding: chunked\r\n\r\n3;a=b;c="d"\r\nabc\r\n0;e\r\n\r\n`),
  read(
    'a request within a chunk',
    `${line}Transfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
  ),
  read('trailers', `${line}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`),
  read('a GET with a body', 'GET /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'),
  read('blanks around a value', `${line}Content-Length: \t 3 \t\r\n\r\nabc`),
  read('an absolute target', 'GET http://a/first HTTP/1.1\r\nHost: a\r\n\r\n'),
  read('letters beyond ASCII in a value', `${line}X: \xe4\xff\r\n\r\n`),
  read('an empty value', `${line}X:\r\n\r\n`),
]

const status = 'HTTP/1.1 200 OK\r\n'

export const responseCorpus: readonly CorpusCase[] = [
  ...codings.map(([name, field]) => refused(`TE: ${name}`, `${status}${field}\r\n\r\n${chunks}`)),
  ...lengths.map(([name, field]) => refused(`CL: ${name}`, `${status}${field}\r\n\r\nabc`)),
  refused('a length and a coding', `${status}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`),
  refused('an interim response that closes', `HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n${status}\r\n`),
  refused('LF only', 'HTTP/1.1 200 OK\nContent-Length: 3\n\nabc'),
  refused('a body that is too short', `${status}Content-Length: 5\r\n\r\nabc`),
  refused('chunks without an end', `${status}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`),
  refused('a web page without a head', '<html></html>'),
  refused('a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'),
  read('a length', `${status}Content-Length: 3\r\n\r\nabc`),
  read('a length of nothing', `${status}Content-Length: 0\r\n\r\n`),
  read('chunks', `${status}Transfer-Encoding: chunked\r\n\r\n${chunks}`),
  read('trailers', `${status}Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n`),
  read('until the end of the connection', `${status}X: y\r\n\r\nabc`),
  read('interim responses', `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${status}Content-Length: 3\r\n\r\nabc`),
  read('no content', 'HTTP/1.1 204 No Content\r\n\r\n'),
  read('not modified, with the length of what it is about', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n'),
  read('an old version', 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc'),
]
