// Package providertest is the compliance suite that every provider passes, in
// process and behind the plugin boundary, and a small real provider in memory
// to test engines with.
//
// A provider joins the suite with one test that calls Run with a Target: where
// to get a provider from, and what of it to try. Memory is a provider of
// shelves, boxes, labels and feeds whose data, clock, calls and failures a test
// holds in its hand; it joins the suite like any other. The package refuses to
// know the engine. Start with Run, or with Memory.
package providertest
