export default function Home() {
  return <p>An app of the examples in the docs.</p>
}
