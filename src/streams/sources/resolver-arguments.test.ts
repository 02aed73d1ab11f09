import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cookiesFor, parseNetscapeCookies } from './netscape-cookies.ts'
import { parseResolverArguments, ResolverArgumentError } from './resolver-arguments.ts'
import type { ResolverName } from './resolver-arguments.ts'

test('a quality comes first, options behind it, each value joined to its option', () => {
  assert.deepEqual(parseResolverArguments('streamlink', ''), { quality: 'best', options: [] })
  assert.deepEqual(parseResolverArguments('streamlink', '720p,best --http-timeout 10 --twitch-low-latency'), {
    quality: '720p,best',
    options: ['--http-timeout=10', '--twitch-low-latency'],
  })
  assert.deepEqual(parseResolverArguments('streamlink', `--http-header "Referer=http://h/a b" worst`), {
    quality: 'worst',
    options: ['--http-header=Referer=http://h/a b'],
  })
  assert.deepEqual(parseResolverArguments('ytdlp', `-f 'b[height<=720]/b' --add-header=Referer:http://h/`), {
    quality: 'b[height<=720]/b',
    options: ['--add-header=Referer:http://h/'],
  })
})

const ATTACKS: readonly (readonly [ResolverName, string])[] = [
  ['streamlink', '--config /etc/passwd'],
  ['streamlink', '--plugin-dirs /tmp'],
  ['streamlink', '--plugin-dir=/tmp'],
  ['streamlink', 'best -o /tmp/x'],
  ['streamlink', '--ffmpeg-ffmpeg /tmp/evil'],
  ['streamlink', '--player sh'],
  ['streamlink', '--http-proxy http://h'],
  ['streamlink', '--logfile /tmp/x'],
  ['streamlink', '--http-ssl-cert /etc/passwd'],
  ['streamlink', '--http-header "--config=/x'],
  ['streamlink', '--http-header --config'],
  ['streamlink', '--http-timeout "10 --config"'],
  ['streamlink', '--default-stream --config'],
  ['streamlink', 'http://h/;id'],
  ['streamlink', '__proto__'.replace('__proto__', '--__proto__')],
  ['streamlink', '--constructor x'],
  ['ytdlp', '--exec id'],
  ['ytdlp', '--exec=id'],
  ['ytdlp', '--config-locations /tmp'],
  ['ytdlp', '--batch-file /etc/passwd'],
  ['ytdlp', '--cookies-from-browser firefox'],
  ['ytdlp', '--load-info-json /etc/passwd'],
  ['ytdlp', '-o /tmp/x'],
  ['ytdlp', '--downloader sh'],
  ['ytdlp', '--plugin-dirs /tmp'],
  ['ytdlp', '--print-to-file x /tmp/x'],
  ['ytdlp', '-f --exec'],
  ['ytdlp', '--add-header no-colon'],
  ['ytdlp', '--enable-file-urls'],
  ['ytdlp', 'b '.repeat(50)],
]

test('whatever runs programs, touches files or connects elsewhere is refused', () => {
  for (const [resolver, text] of ATTACKS) {
    assert.throws(() => parseResolverArguments(resolver, text), ResolverArgumentError, text)
  }
})

const COOKIES = [
  '# Netscape HTTP Cookie File',
  '.example.com\tTRUE\t/\tFALSE\t0\twide\t1',
  '#HttpOnly_www.example.com\tFALSE\t/live\tTRUE\t4102444800\tnarrow\ta b=c',
  'other.example\tFALSE\t/\tFALSE\t0\telsewhere\t1',
  'www.example.com\tFALSE\t/\tFALSE\t100\told\t1',
  '',
].join('\n')

test('cookies go to the hosts, paths and schemes that they are for, until they expire', () => {
  const cookies = parseNetscapeCookies(COOKIES)
  const names = (url: string) => cookiesFor(cookies, url, 1_000_000).map(({ name }) => name)
  assert.deepEqual(names('https://www.example.com/live/x'), ['wide', 'narrow'])
  assert.deepEqual(names('http://www.example.com/live'), ['wide'])
  assert.deepEqual(names('https://www.example.com/lively'), ['wide'])
  assert.deepEqual(names('https://badexample.com/'), [])
})

test('what is no cookie file is refused with the line', () => {
  assert.throws(() => parseNetscapeCookies('# ok\na=b; c=d'), /line 2/)
  assert.throws(() => parseNetscapeCookies('h\tTRUE\t/\tFALSE\t0\tname\tva;lue'), /line 1/)
})
