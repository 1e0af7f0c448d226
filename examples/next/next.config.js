/** @type {import('next').NextConfig} */
export default {
  // The folder of this example, because the repository around it has a lockfile too.
  turbopack: { root: import.meta.dirname },
}
