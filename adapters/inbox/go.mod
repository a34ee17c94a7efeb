module github.com/duvotool/duvotool/adapters/inbox

go 1.25.0

require (
	github.com/duvotool/duvotool v0.0.0
	github.com/sergi/go-diff v1.4.0
)

require (
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	golang.org/x/oauth2 v0.36.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace github.com/duvotool/duvotool => ../..
