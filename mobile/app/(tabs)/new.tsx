export { ComposeScreen as default } from "@/composer/compose-screen";
