// Package providers tests the agent of adapters/langchaingo with langchaingo's
// own clients of model providers, against local servers that speak the
// providers' formats. It is a module of its own because those clients need much
// that no user of the adapter should carry.
package providers
