module github.com/duvotool/duvotool

go 1.25.0

require (
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	github.com/tmc/langchaingo v0.1.14 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/oauth2 v0.36.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
