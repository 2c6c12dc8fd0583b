export const completeOptions = {} as const;
