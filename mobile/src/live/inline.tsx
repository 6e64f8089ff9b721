/** A piece of a text that looks different from the rest. */
export { Text as Inline } from "react-native";
