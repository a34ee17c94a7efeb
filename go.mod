module github.com/duvotool/duvotool

go 1.25.0
