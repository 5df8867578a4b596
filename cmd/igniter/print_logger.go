// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger returns a logger to the standard error. level is the lowest level that it logs, unless the settings say
// otherwise.
func (a *app) logger(level string) (*zap.Logger, error) {
	least, err := zapcore.ParseLevel(cmp.Or(a.values.String("log.level"), level))
	if err != nil {
		return nil, usage("--log-level %q is not one of debug, info, warn, error", a.values.String("log.level"))
	}
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	config.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(config)
	switch a.values.String("log.format") {
	case "json":
	case "console":
		config.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02 15:04:05.000")
		config.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(config)
	default:
		return nil, usage("--log-format %q is neither console nor json", a.values.String("log.format"))
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(a.err)), least)), nil
}
