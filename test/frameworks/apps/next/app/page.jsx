export default function Page() {
  return <h1>Grüße</h1>;
}
