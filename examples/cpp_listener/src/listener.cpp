// Listens to every message of seg_node, yolo_node and camera_node, and logs a line for each.
//
// Topics are below the node's namespace, those of an engine below the parameter `engine`:
//   ros2 run cpp_listener listener --ros-args -r __ns:=/yolo -p engine:=det

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "jetson_perception/msg/frame_done.hpp"
#include "jetson_perception/msg/keypoint_detection2_d_array.hpp"
#include "jetson_perception/msg/keypoint_detection3_d_array.hpp"
#include "jetson_perception/msg/pipeline_stats.hpp"
#include "jetson_perception/msg/segmentation_summary.hpp"
#include "rclcpp/rclcpp.hpp"
#include "sensor_msgs/msg/camera_info.hpp"
#include "sensor_msgs/msg/image.hpp"
#include "vision_msgs/msg/classification.hpp"
#include "vision_msgs/msg/detection2_d_array.hpp"
#include "vision_msgs/msg/detection3_d_array.hpp"
#include "vision_msgs/msg/label_info.hpp"

namespace {

using jetson_perception::msg::FrameDone;
using jetson_perception::msg::KeypointDetection2DArray;
using jetson_perception::msg::KeypointDetection3DArray;
using jetson_perception::msg::PipelineStats;
using jetson_perception::msg::SegmentationSummary;
using sensor_msgs::msg::CameraInfo;
using sensor_msgs::msg::Image;
using vision_msgs::msg::Classification;
using vision_msgs::msg::Detection2DArray;
using vision_msgs::msg::Detection3DArray;
using vision_msgs::msg::LabelInfo;

// The newest message or none, from publishers that are reliable and from those that are not.
rclcpp::QoS newest() { return rclcpp::QoS(1).best_effort(); }
// What was published once, before we came.
rclcpp::QoS latched() { return rclcpp::QoS(1).reliable().transient_local(); }

class Listener : public rclcpp::Node {
 public:
  Listener() : Node("listener") {
    const std::string engine = declare_parameter("engine", "det") + "/";

    listen<Detection2DArray>(engine + "detections", newest(), [](const auto& msg) {
      std::string text = std::to_string(msg.detections.size()) + " objects";
      for (const auto& found : msg.detections) {
        // A classifier that looks at boxes may be sure of no class.
        if (found.results.empty()) continue;
        const auto& best = found.results.front().hypothesis;
        const auto& center = found.bbox.center.position;
        text += ", " + best.class_id + " at " + std::to_string(int(center.x)) + " " +
                std::to_string(int(center.y)) + (found.id.empty() ? "" : " #" + found.id);
      }
      return text;
    });
    listen<KeypointDetection2DArray>(engine + "keypoints", newest(), [](const auto& msg) {
      std::string text = std::to_string(msg.detections.size()) + " skeletons";
      for (const auto& found : msg.detections) {
        // Every keypoint is there, in the model's order; the score says whether it is seen.
        const auto seen = std::count_if(found.keypoints.begin(), found.keypoints.end(),
                                        [](const auto& each) { return each.score >= 0.5; });
        text += ", " + std::to_string(seen) + " of " + std::to_string(found.keypoints.size()) +
                " keypoints seen";
      }
      return text;
    });
    listen<Detection3DArray>(engine + "detections_3d", newest(), [](const auto& msg) {
      std::string text = std::to_string(msg.detections.size()) + " objects in " + msg.header.frame_id;
      for (const auto& found : msg.detections) {
        text += ", " + std::to_string(found.bbox.center.position.z) + " m ahead";
      }
      return text;
    });
    listen<KeypointDetection3DArray>(engine + "keypoints_3d", newest(), [](const auto& msg) {
      return std::to_string(msg.detections.size()) + " skeletons in " + msg.header.frame_id;
    });
    listen<Classification>(engine + "classification", newest(), [](const auto& msg) {
      // The best class is the first one.
      return msg.results.empty() ? "no class" : msg.results.front().class_id;
    });
    listen<Image>(engine + "instances", newest(), [](const auto& msg) {
      return "which object a pixel belongs to, " + msg.encoding;
    });
    listen<PipelineStats>(engine + "stats", newest(), describe_stats);
    listen<LabelInfo>(engine + "label_info", latched(), [](const auto& msg) {
      return std::to_string(msg.class_map.size()) + " classes";
    });

    // Of seg_node, which has no engines.
    listen<LabelInfo>("label_info", latched(), [this](const auto& msg) {
      for (const auto& each : msg.class_map) class_names_[each.class_id] = each.class_name;
      return std::to_string(msg.class_map.size()) + " classes";
    });
    listen<Image>("mask", newest(), [this](const auto& msg) { return describe_mask(msg); });
    listen<SegmentationSummary>("summary", newest(), [](const auto& msg) {
      std::string text = "shares";
      for (const auto& area : msg.classes) {
        text += ", " + area.class_name + " " + std::to_string(area.ratio);
      }
      return text;
    });
    listen<PipelineStats>("stats", newest(), describe_stats);

    // Of a camera that was started beside the node.
    listen<CameraInfo>("camera/camera_info", newest(), [](const auto& msg) {
      return std::to_string(msg.width) + "x" + std::to_string(msg.height);
    });
    listen<FrameDone>("camera/image_raw/done", newest(),
                      [](const auto& msg) { return "a frame is done by " + msg.node; });
  }

 private:
  template <typename Message, typename Describe>
  void listen(const std::string& topic, const rclcpp::QoS& qos, Describe describe) {
    subscriptions_.push_back(create_subscription<Message>(
        topic, qos, [this, topic, describe](std::shared_ptr<const Message> msg) {
          RCLCPP_INFO(get_logger(), "%s: %s", topic.c_str(), describe(*msg).c_str());
        }));
  }

  static std::string describe_stats(const PipelineStats& msg) {
    std::string text = msg.engine + ", " + std::to_string(msg.frame_rate) + " Hz";
    for (const auto& stage : msg.stages) {
      text += ", " + stage.name + " " + std::to_string(stage.median_ms) + " ms";
    }
    return text;
  }

  // The class of the pixel in the middle.
  std::string describe_mask(const Image& msg) {
    const size_t middle = size_t(msg.height / 2) * msg.step + msg.width / 2;
    if (msg.encoding != "mono8" || middle >= msg.data.size()) return "no mask: " + msg.encoding;
    const int class_id = msg.data[middle];
    const auto name = class_names_.find(class_id);
    return "in the middle is " +
           (name == class_names_.end() ? "class " + std::to_string(class_id) : name->second);
  }

  std::map<int, std::string> class_names_;
  std::vector<rclcpp::SubscriptionBase::SharedPtr> subscriptions_;
};

}  // namespace

int main(int argc, char** argv) {
  rclcpp::init(argc, argv);
  rclcpp::spin(std::make_shared<Listener>());
  rclcpp::shutdown();
}
