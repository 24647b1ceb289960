// Nothing of this package runs in a browser.
export {}
