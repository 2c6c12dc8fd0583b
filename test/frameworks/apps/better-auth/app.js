import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";

const tables = { user: [], session: [], account: [], verification: [] };

export const auth = betterAuth({
  secret: "a secret of the test, which is long enough",
  trustedOrigins: ["http://shop.example", "https://shop.example"],
  database: memoryAdapter(tables),
  emailAndPassword: { enabled: true },
  advanced: { ipAddress: { ipAddressHeaders: ["x-real-ip"] } },
});
