import { createSchema, createYoga } from "graphql-yoga";
import { heldStream, release } from "./parts.js";

/** @param addressOf How the server tells the client's address. */
export const appOf = (addressOf) =>
  createYoga({
    schema: createSchema({
      typeDefs: /* GraphQL */ `
      scalar File
      type Query { item(id: String!): String throws: String release: Boolean address: String url: String }
      type Mutation { add(name: String!): String upload(file: File!): String }
      type Subscription { lines: String }
    `,
      resolvers: {
        Query: {
          item: (_, { id }) => `item ${id}`,
          throws() {
            throw new Error("out of bread");
          },
          release() {
            release();
            return true;
          },
          address: (_parent, _input, context) => addressOf(context),
          url: (_parent, _input, { request }) => request.url,
        },
        Mutation: {
          add: (_, { name }) => `added ${name}`,
          upload: async (_, { file }) => `${file.name} ${file.type} ${await file.text()}`,
        },
        Subscription: {
          lines: {
            async *subscribe() {
              for await (const bytes of heldStream()) yield { lines: new TextDecoder().decode(bytes) };
            },
          },
        },
      },
    }),
  });
