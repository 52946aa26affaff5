//! The convolution engine: 3x3 SAME convolutions and 2x2 max pooling over NHWC f32 maps.
