import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Disk, readWhole } from './disk.ts'

/** The contract suite of `Disk`. It makes sure that the simulated disk behaves like the real one. */
export function describeDisk(name: string, make: () => Promise<{ disk: Disk; directory: string }>): void {
  describe(`a disk: ${name}`, () => {
    let disk: Disk
    let directory: string
    const at = (file: string) => join(directory, file)
    const write = async (file: string, text: string) => {
      const created = await disk.create(at(file))
      await created.write(Buffer.from(text))
      await created.sync()
      await created.close()
    }
    const read = async (file: string) => (await readWhole(disk, at(file))).toString()

    beforeEach(async () => {
      ;({ disk, directory } = await make())
      await disk.makeDirectory(directory, 'with parents')
    })

    test('reads what was written', async () => {
      const text = `${'x'.repeat(3_000_000)}\nlast`
      await write('a', text)
      expect(await read('a')).toBe(text)
    })

    test('truncates a file that is created again', async () => {
      await write('a', 'long text')
      await write('a', 'short')
      expect(await read('a')).toBe('short')
    })

    test('renaming replaces an existing file, and other names of it stay', async () => {
      await write('a', 'new')
      await write('b', 'old')
      await disk.link(at('b'), at('c'))
      await disk.rename(at('a'), at('b'))
      expect(await Promise.all(['b', 'c'].map(read))).toEqual(['new', 'old'])
      expect((await disk.list(directory)).sort()).toEqual(['b', 'c'])
    })

    test('fails with a code', async () => {
      await write('a', 'a')
      await write('b', 'b')
      await expect(disk.link(at('a'), at('b'))).rejects.toMatchObject({ code: 'EEXIST' })
      await expect(disk.open(at('x'))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(disk.remove(at('x'))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(disk.rename(at('x'), at('y'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('opens and creates files only, and says what else it found', async () => {
      const isDirectory = { code: 'NOT_A_FILE', message: `${directory} is a directory, not a file` }
      await expect(disk.open(directory)).rejects.toMatchObject(isDirectory)
      await expect(disk.create(directory)).rejects.toMatchObject(isDirectory)
    })

    test('identifies a file by name and by handle, also after a rename', async () => {
      const file = await disk.create(at('a'))
      const id = await file.id()
      await file.write(Buffer.from('text'))
      expect(await disk.stat(at('a'))).toMatchObject({ id, bytes: 4, isDirectory: false })
      await disk.rename(at('a'), at('b'))
      expect(await disk.stat(at('a'))).toBeUndefined()
      expect(await disk.stat(join(at('b'), 'x'))).toBeUndefined()
      expect((await disk.stat(at('b')))?.id).toBe(id)
      await write('c', 'other')
      await disk.rename(at('c'), at('b'))
      expect((await disk.stat(at('b')))?.id).not.toBe(id)
      expect(await file.id()).toBe(id)
      await file.close()
      expect((await disk.stat(directory))?.isDirectory).toBe(true)
    })

    test('creates a directory only in an existing parent, if requested', async () => {
      const inner = join(at('one'), 'two')
      await expect(disk.makeDirectory(inner, 'in its parent')).rejects.toMatchObject({ code: 'ENOENT' })
      await disk.makeDirectory(at('one'), 'in its parent')
      await disk.makeDirectory(inner, 'in its parent')
      await disk.makeDirectory(inner, 'in its parent')
      expect((await disk.stat(inner))?.isDirectory).toBe(true)
    })

    test('can sync a directory', async () => {
      await write('a', 'a')
      await disk.syncDirectory(directory)
      expect(await read('a')).toBe('a')
    })
  })
}
