// Loads the bundle that the page names, and mounts it with what the page around hands over.
const bundle = document.documentElement.dataset.bundle
import(new URL(bundle, location.href).href)
