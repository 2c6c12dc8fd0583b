import { createFileRoute } from "@tanstack/react-router";

export const Route = createFileRoute("/")({
  loader: ({ location }) => ({ path: location.pathname }),
  component: () => <h1>Grüße von {Route.useLoaderData().path}</h1>,
});
