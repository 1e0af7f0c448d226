import type { IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { clientAddress, countedAs, isPrivate } from './address.ts'

const request = (remoteAddress: string, forwarded?: string) =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage
const ranges = new BlockList()
ranges.addSubnet('10.0.0.0', 8, 'ipv4')

test('[A1] without a trusted proxy, the address is that of the peer, and limits count it only if it is public', () => {
  expect(clientAddress(request('8.8.8.8', '1.1.1.1'), undefined)).toEqual({
    address: '8.8.8.8',
    own: true,
    forwarded: true,
  })
  expect(clientAddress(request('::ffff:10.1.2.3'), undefined)).toEqual({
    address: '10.1.2.3',
    own: false,
    forwarded: false,
  })
  for (const address of ['127.0.0.1', '::1', '172.20.0.1', 'fd00::1', 'fe80::1']) {
    expect(clientAddress(request(address), undefined).own).toBe(false)
  }
})

test('[A1] an IPv4 address is private in exactly the ranges of RFC 1918, 3927 and 6598, and the loopback range', () => {
  const expected = new BlockList()
  for (const [address, bits] of [
    ['127.0.0.0', 8],
    ['10.0.0.0', 8],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
    ['169.254.0.0', 16],
    ['100.64.0.0', 10],
  ] as const) {
    expected.addSubnet(address, bits, 'ipv4')
  }
  const wrong: string[] = []
  for (let high = 0; high < 2 ** 16; high++) {
    const address = `${high >> 8}.${high & 255}.7.9`
    if (isPrivate(address) !== expected.check(address)) wrong.push(address)
  }
  expect(wrong).toEqual([])
  expect(['10.0.0', '10.', '127.0.0.1.example', ''].map(isPrivate)).toEqual([false, false, false, false])
})

test('[A2] trusted hops are counted from the right, so entries that a client wrote are ignored', () => {
  const trust = { kind: 'hops', hops: 1 } as const
  expect(clientAddress(request('10.0.0.1', '6.6.6.6, 8.8.8.8'), trust).address).toBe('8.8.8.8')
  expect(clientAddress(request('10.0.0.1'), trust).address).toBe('10.0.0.1')
  expect(clientAddress(request('10.0.0.1', '8.8.8.8'), { kind: 'hops', hops: 5 }).address).toBe('8.8.8.8')
  expect(clientAddress(request('10.0.0.1', '8.8.8.8'), { kind: 'hops', hops: 0 }).address).toBe('10.0.0.1')
})

test('[A2] ports are removed, and an entry that is not an address is not skipped', () => {
  const trust = { kind: 'hops', hops: 1 } as const
  expect(clientAddress(request('10.0.0.1', '6.6.6.6, 8.8.8.8:5678'), trust).address).toBe('8.8.8.8')
  expect(clientAddress(request('10.0.0.1', '[2001:db8::1]:80'), trust).address).toBe('2001:db8::1')
  expect(clientAddress(request('10.0.0.1', '6.6.6.6, unknown'), trust).address).toBe('10.0.0.1')
  expect(clientAddress(request('10.0.0.1', '6.6.6.6, garbage'), { kind: 'ranges', ranges }).address).toBe(
    '10.0.0.1',
  )
})

test('[A3] addresses in trusted ranges are skipped from the right, up to the first other address', () => {
  const trust = { kind: 'ranges', ranges } as const
  expect(clientAddress(request('10.0.0.1', '6.6.6.6, 8.8.8.8, 10.0.0.2'), trust)).toEqual({
    address: '8.8.8.8',
    own: true,
    forwarded: false,
  })
  expect(clientAddress(request('9.9.9.9', '8.8.8.8'), trust).address).toBe('9.9.9.9')
  expect(clientAddress(request('10.0.0.1', 'garbage'), trust).address).toBe('10.0.0.1')
})

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:0:1::2', '2001:db8:0:1::/64'],
  ['2001:0DB8:0000:0001:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64'],
  ['garbage', 'garbage'],
])('[A4] limits count %s as %s', (address, counted) => {
  expect(countedAs(address)).toBe(counted)
})
