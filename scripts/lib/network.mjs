// A network namespace for rows that lose packets, resolve names and own public addresses.

import { spawnSync } from 'node:child_process'

const TOOLS = { ip: 'iproute2', nft: 'nftables' }
const SYSTEM_PATH = `${process.env.PATH}:/usr/sbin:/sbin`

function works(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore', env: { ...process.env, PATH: SYSTEM_PATH } }).status === 0
}

/** `{ command }` that runs a program in a namespace, or `{ command: [], reason }` why there is none here. */
export async function findNetwork() {
  const none = (reason) => ({ command: [], reason })
  if (process.platform !== 'linux') return none("namespaces are Linux's")
  process.env.PATH = SYSTEM_PATH
  const missing = () => Object.keys(TOOLS).filter((tool) => !works('sh', '-c', `command -v ${tool}`))
  if (missing().length > 0 && process.getuid() === 0 && works('apt-get', '--version')) {
    console.log('Installing iproute2 and nftables ...')
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    spawnSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' })
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing().map((tool) => TOOLS[tool])], {
      env,
      stdio: 'ignore',
    })
  }
  if (missing().length > 0)
    return none(
      `${missing().join(' and ')} missing (Debian: ${missing()
        .map((tool) => TOOLS[tool])
        .join(', ')})`,
    )
  const commands = [
    ['unshare', '--net', '--mount'],
    ['unshare', '--map-root-user', '--net', '--mount'],
  ]
  const attempt = 'ip link set lo up && nft list ruleset && mount --bind /dev/null /etc/resolv.conf'
  const command = commands.find(([program, ...args]) => works(program, ...args, 'sh', '-c', attempt))
  return command ? { command } : none('this machine lets nobody make a namespace with its own packet filter')
}
