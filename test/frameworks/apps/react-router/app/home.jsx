import { useLoaderData } from "react-router";

export function loader({ request }) {
  return { path: new URL(request.url).pathname };
}

export default function Home() {
  return <h1>Grüße von {useLoaderData().path}</h1>;
}
