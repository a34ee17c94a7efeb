module github.com/duvotool/duvotool/examples

go 1.25.0

require (
	github.com/duvotool/duvotool v0.0.0
	github.com/duvotool/duvotool/adapters/langchaingo v0.0.0
	github.com/tmc/langchaingo v0.1.14
)

require (
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/term v0.45.0 // indirect
)

replace (
	github.com/duvotool/duvotool => ..
	github.com/duvotool/duvotool/adapters/langchaingo => ../adapters/langchaingo
)
