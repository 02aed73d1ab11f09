import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Certificates {
  readonly ca: Buffer
  readonly server: { readonly cert: Buffer; readonly key: Buffer }
  readonly client: { readonly cert: Buffer; readonly key: Buffer }
}

const run = promisify(execFile)

/** An authority with a server's certificate for `origin.test` and 127.0.0.1, and a client's, made by openssl. */
export async function createCertificates(): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
  const openssl = (...args: readonly string[]) => run('openssl', args, { cwd: directory })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await openssl('req', '-x509', ...curve, '-subj', '/CN=Lab CA', '-keyout', 'ca.key', '-out', 'ca.crt')
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key']
  for (const [name, subject] of [
    ['server', '/CN=origin.test'],
    ['client', '/CN=lab-client'],
  ] as const) {
    const names = ['-addext', 'subjectAltName=DNS:origin.test,IP:127.0.0.1']
    const files = ['-keyout', `${name}.key`, '-out', `${name}.crt`]
    await openssl('req', '-x509', ...curve, '-subj', subject, ...names, ...signed, ...files)
  }
  const file = (name: string) => readFile(join(directory, name))
  const pair = async (name: string) => ({ cert: await file(`${name}.crt`), key: await file(`${name}.key`) })
  const made = { ca: await file('ca.crt'), server: await pair('server'), client: await pair('client') }
  await rm(directory, { recursive: true })
  return made
}
