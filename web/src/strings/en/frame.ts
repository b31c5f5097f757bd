/** The frame around every view. */

export const frame = {
  title: {
    check: "Check images",
    clips: "Check clips",
    history: "History",
    record: "Record",
    detector: "The detector",
  },

  header: {
    navigation: "Main",
    skip: "Skip to content",
    language: "Language",
    toLight: "Light theme",
    toDark: "Dark theme",
    forgetToken: "Forget the token",
    tokenForgotten: "The token has been forgotten.",
  },

  footer: "A verdict is a lead to follow up, not proof.",

  token: {
    heading: "This service needs a token",
    text: "It is kept in this tab only and forgotten when the tab is closed.",
    rejected: "This token was not accepted.",
    label: "Token",
    use: "Use this token",
    cancel: "Not now",
  },

  loading: "Loading",

  yes: "yes",
};
