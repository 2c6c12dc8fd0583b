import { Suspense } from "react";
import { heldStream, release } from "../../parts.js";

async function Held() {
  let text = "";
  for await (const piece of heldStream().pipeThrough(new TextDecoderStream())) text += piece;
  return <p>{text}</p>;
}

/** What is asked with `release` lets all others go on. */
export default async function Page({ searchParams }) {
  if ("release" in (await searchParams)) {
    release();
    return <p>released</p>;
  }
  return (
    <Suspense fallback={<p>one</p>}>
      <Held />
    </Suspense>
  );
}
