import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HoldfastError } from '../lib/errors.ts'
import { encoderArguments, ProfileRefused } from './encoder-arguments.ts'
import { BUILT_IN_PROFILES, DEFAULT_VARIABLES, Profiles } from './profiles.ts'

const read = (line: string, given: Record<string, string> = {}) => encoderArguments(line, given, DEFAULT_VARIABLES)

/** Each of them would have ffmpeg read, write, connect or tell something. */
const ATTACKS: readonly string[] = [
  '-i /etc/passwd',
  '-c:v copy -i /etc/passwd -map 1:0',
  '-c:v copy /tmp/stolen.ts',
  '-c:v copy -y /tmp/stolen.ts',
  '-f lavfi -i movie=/etc/passwd',
  '-f concat -i list.txt',
  '-f tee [f=mpegts]/tmp/x|pipe:1',
  '-f segment /tmp/x%d.ts',
  '-f image2 /tmp/x.png',
  '-f mpegts udp://192.0.2.1:9',
  '-c:v copy http://192.0.2.1/upload',
  '-vf movie=/etc/passwd',
  '-vf scale=640:360,movie=/etc/passwd[x]',
  '-vf subtitles=/etc/passwd',
  '-vf ass=/etc/passwd',
  '-vf drawtext=textfile=/etc/passwd',
  '-vf lut3d=/etc/passwd',
  '-vf scale=640:360;movie=/etc/passwd',
  "-vf scale='640':360,'movie=/etc/passwd'",
  '-vf "scale=640:360, movie=/etc/passwd"',
  '-vf sendcmd=f=/etc/passwd',
  '-vf metadata=print:file=/tmp/x',
  '-vf psnr=stats_file=/tmp/x',
  '-vf scale=w=/etc/passwd',
  '-vf scale=/w=/etc/passwd',
  '-vf [0:v]scale=640:360',
  '-af amovie=/etc/passwd',
  '-af ladspa=file=/tmp/x.so',
  '-af aresample=48000,amovie=/etc/passwd',
  '-filter_complex movie=/etc/passwd',
  '-filter_complex_script /etc/passwd',
  '-filter_script:v /etc/passwd',
  '-/vf /etc/passwd',
  '-lavfi movie=/etc/passwd',
  '-protocol_whitelist file,http,tcp',
  '-protocol_blacklist none',
  '-attach /etc/passwd',
  '-dump_attachment:t /tmp/x',
  '-report',
  '-progress http://192.0.2.1/',
  '-vstats_file /tmp/x',
  '-passlogfile /tmp/x',
  '-pass 1',
  '-sdp_file /tmp/x',
  '-init_hw_device vaapi=x:/etc/passwd',
  '-vaapi_device /etc/passwd',
  '-hwaccel_device /dev/sda',
  '-x264-params stats=/tmp/x',
  '-x264-params keyint=50:qpfile=/etc/passwd',
  '-x265-params csv=/tmp/x',
  '-x265-params log-level=error:csv=/tmp/x',
  '-x264opts dump-yuv=/tmp/x',
  '-bsf:v dump_extra=freq=k,trace_headers',
  '-bsf:v noise',
  '-metadata title=/etc/passwd',
  '-metadata comment=x',
  '-map 1:v',
  '-map [out]',
  '-force_key_frames file:/etc/passwd',
  '-force_key_frames chapters',
  '-c:v rawvideo',
  '-c:v ../x',
  '-timeout -i /etc/passwd',
  '-c:v',
  '-f',
  '-b:v 2M;reboot',
  '-b:v $(reboot)',
  '-b:v `reboot`',
  '-preset fast\u0000-i',
  '-c:v "copy',
  '-stdin',
  '-filter_hw_device x',
  '-fpre /etc/passwd',
  '-vpre /etc/passwd',
  '-apre x',
  '-map_metadata 1',
  '-enc_time_base demux',
  '-sources pulse',
  '-h full',
  '-codecs',
  '-i pipe:0',
  '-i {input}',
  'pipe:1 -c:v copy',
  '- -c:v copy',
  'file:/tmp/x',
]

for (const line of ATTACKS) {
  test(`a profile may not say ${JSON.stringify(line)}`, () => {
    assert.throws(() => read(line, { input: '1' }), ProfileRefused)
  })
}

test('what is refused is said, every part of it', () => {
  try {
    read('-c:v rawvideo -report -preset fast -vf movie=x /tmp/out.ts -c:a aac')
    assert.fail('taken')
  } catch (error) {
    assert.ok(error instanceof ProfileRefused)
    assert.equal(error.problems.length, 4)
    assert.match(error.message, /-c:v has the value "rawvideo".*-report .*-vf uses the filter "movie".*\/tmp\/out\.ts/)
  }
})

test('no value of a variable becomes an option, a file or a filter', () => {
  const place = fc.constantFrom(
    '-b:v {x}',
    '-preset {x}',
    '-vf scale={x}',
    '-metadata service_name={x}',
    '{x}',
    '-map {x}',
  )
  fc.assert(
    fc.property(place, fc.oneof(fc.string(), fc.constantFrom(...ATTACKS, 'pipe:1', '-', '/etc/passwd')), (line, x) => {
      try {
        const request = { profile: line, variables: { x }, format: undefined, mayBeRaw: true }
        const { input, output } = new Profiles([]).resolve(request, undefined).arguments
        // Taken as the value of the one option that the line has, and one the list allows.
        assert.deepEqual(input, [])
        assert.equal(output.length, 2)
        assert.ok(!/[/;$`\n]|movie|file/.test(output[1] ?? ''), output[1])
      } catch (error) {
        assert.ok(error instanceof HoldfastError, String(error))
        assert.match(error.code, /^transcode_(profile_(invalid|unknown)|raw_arguments_refused)$/)
      }
    }),
    { numRuns: 3_000 },
  )
})

test('options that m3u-proxy profiles hold and the gateway does itself are left out', () => {
  const { input, output, format } = read(
    '-y -hide_banner -re -reconnect 1 -user_agent x -i {input_url} -c:v libx264 -preset {preset|fast} -f {format|mpegts} {output_args|pipe:1}',
  )
  assert.deepEqual(input, [])
  assert.deepEqual(output, ['-c:v', 'libx264', '-preset', 'fast'])
  assert.equal(format, 'mpegts')
})

test('a profile that asks for HLS is told apart by -f hls or -hls_time', () => {
  assert.equal(read('-c copy -f hls').format, 'hls')
  assert.equal(read('-c copy -hls_time 4 -hls_list_size 5').format, 'hls')
  assert.equal(read('-c copy').format, undefined)
})

test('a value stands before the default of its place, and that before the gateway’s own', () => {
  const bitRate = (line: string, given: Record<string, string> = {}) => read(line, given).output[1]
  assert.equal(bitRate('-b:v {video_bitrate|3M}', { video_bitrate: '4M' }), '4M')
  assert.equal(bitRate('-b:v {video_bitrate|3M}'), '3M')
  assert.equal(bitRate('-b:v {video_bitrate}'), '2M')
  assert.throws(() => read('-b:v {unknown}'), /needs the variable unknown/)
  assert.throws(() => read('-b:v {constructor}'), /needs the variable constructor/)
})

test('quotes hold words together, and a filter keeps its own', () => {
  assert.deepEqual(read(`-vf "scale='min(1280,iw)':-2" -metadata 'service_name=My TV'`).output, [
    ...['-vf', "scale='min(1280,iw)':-2", '-metadata', 'service_name=My TV'],
  ])
  assert.deepEqual(read("-vf scale='min(1280,iw)':-2,fps=25").output, ['-vf', "scale='min(1280,iw)':-2,fps=25"])
})

test('every built-in profile passes its own list', () => {
  for (const { name, parameters } of BUILT_IN_PROFILES) {
    const { output } = read(parameters)
    assert.ok(output.includes('-c:a'), name)
    assert.equal(output.join(' ').includes('{'), false, name)
  }
})
