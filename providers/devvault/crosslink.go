package devvault

// The binding rules of CrossLinks, as their labels. Names compare without regard to case: sources spell the last one in two ways.
const (
	bindLatest   = "Latest version"
	bindSteady   = "Latest Steady State version"
	bindSpecific = "Specific Document version"
)
