// The packages of this repository are links to folders beside this one; Metro only sees folders that it is told of.
const { getDefaultConfig } = require("expo/metro-config");
const { join } = require("node:path");

const config = getDefaultConfig(__dirname);
config.watchFolders = [...config.watchFolders, join(__dirname, "../sdk"), join(__dirname, "../view")].filter((folder) => require("node:fs").existsSync(folder));
// Everything that they import from outside is to be found here, never in the folder of the web client with its other React.
config.resolver.nodeModulesPaths = [join(__dirname, "node_modules")];

module.exports = config;
