import { useLocation } from "@solidjs/router";

export default function Home() {
  return <h1>Grüße von {useLocation().pathname}</h1>;
}
