// The system starts the app without any screen to let it look for ended tasks, and no route is loaded then: what it may call for stands before them.
import "@/notices/background";

import "expo-router/entry";
