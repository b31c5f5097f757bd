/** Whether this is the page without a service, which `npm run build` makes besides; known when it is built. */
export const local = import.meta.env.MODE === "browser";
