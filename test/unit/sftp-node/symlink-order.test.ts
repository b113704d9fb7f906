import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sendsLinkFirst } from '../../../sftp-node/sftp/symlink-order.ts';

/** Identifications as the clients send them. */
const linkFirst: [identification: string, expected: boolean][] = [
  ['SSH-2.0-AsyncSSH_2.24.0', true],
  ['SSH-2.0-WinSCP_release_6.5.3', true],
  ['SSH-2.0-WinSCP-release-6.3.4', true],
  ['SSH-2.0-phpseclib_3.0 (openssl, gmp)', true],
  ['SSH-2.0-phpseclib_1.0', true],
  ['SSH-2.0-libssh_0.10.6', true],
  ['SSH-2.0-libssh-0.5.4', true],
  ['SSH-2.0-ssh2js1.17.0', true],
  ['SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10', false],
  ['SSH-2.0-OpenSSH_for_Windows_9.5', false],
  ['SSH-2.0-paramiko_2.12.0', false],
  ['SSH-2.0-Go', false],
  ['SSH-2.0-rclone/v1.70.0', false],
  ['SSH-2.0-libssh2_1.11.1', false],
  ['SSH-2.0-JSCH_0.2.17', false],
  ['SSH-2.0-Renci.SshNet.SshClient.0.0.1', false],
  ['SSH-2.0-PuTTY_Release_0.81', false],
  ['SSH-2.0-FileZilla_3.67.0', false],
  ['SSH-2.0-APACHE-SSHD-2.12.1', false],
  ['SSH-2.0-Ruby/Net::SSH_7.2.0 x86_64-linux', false],
  ['SSH-1.99-AsyncSSH_2.24.0', true],
  ['SSH-2.0-my-AsyncSSH_2.24.0', false],
  ['', false],
];
for (const [identification, expected] of linkFirst) {
  it(`SYMLINK of "${identification}" has the ${expected ? 'link' : 'target'} first`, () => {
    assert.equal(sendsLinkFirst(identification), expected);
  });
}
