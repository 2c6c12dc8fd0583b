import { headers } from "next/headers";
import { notFound } from "next/navigation";

export default async function Page({ params }) {
  const { id } = await params;
  if (id === "none") notFound();
  return (
    <p>
      {id} for {(await headers()).get("host")}
    </p>
  );
}
